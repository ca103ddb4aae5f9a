// What the engine and the networks are doing, for Prometheus.
#pragma once

#include "ashlar/server/metrics/metrics.h"
#include "ashlar/server/service/service.h"

namespace ashlar {

// The service must outlive the last exposition of `metrics`.
void SampleService(Metrics& metrics, const Service& service);

// Counts the engine's steps; for Service::Start. `metrics` must outlive the service.
ServiceObserver ObserveSteps(Metrics& metrics);

}  // namespace ashlar
