// How a form of a kernel is chosen from its list.
#pragma once

#include <span>

#include "ashlar/kernels/isa.h"

namespace ashlar {

// The fastest of `forms` (slowest first, the reference at [0]) that `isa` can run. `Form` has a
// member `isa`.
template <class Form>
const Form& FindForm(std::span<const Form> forms, Isa isa) {
  const Form* best = &forms.front();
  for (const Form& form : forms) {
    if (form.isa <= isa) {
      best = &form;
    }
  }
  return *best;
}

}  // namespace ashlar
