#!/usr/bin/env bash
# The quick start, as a person would type it: import a network, derive three more from it, run all
# four, and one network at three sizes. Leaves the store in build/demo-store to play with.
set -euo pipefail
cd "$(dirname "$0")/.."

ashlar=build/release/ashlar
export ASHLAR_STORE=build/demo-store
rm -rf "$ASHLAR_STORE"
prompt=${PROMPT:-"The old man looked at the sea, and"}

bold='' dim='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
fi
step() { printf '%s$ ashlar %s%s\n' "$dim" "$*" "$plain"; }
# A field of one line of JSON: number FIELD.
number() { sed -E "s/.*\"$1\":([0-9.eE+-]+).*/\1/"; }

declare -A added parameters
make_network() {  # NAME VERB ARGS...: runs it, and notes what the store grew by
  local name=$1 report
  shift
  step "$@"
  report=$("$ashlar" "$@" --json)
  added[$name]=$(number added_bytes <<<"$report")
  parameters[$name]=$(number parameters <<<"$report")
}

make_network demo import hf demo --as demo
make_network short derive short --from demo drop --layers 3,4
make_network deep derive deep --from demo repeat --layers 3
make_network slim derive slim --from demo slice --channels 75%

printf '\n%s%-8s %12s %14s %12s%s\n' "$bold" NETWORK PARAMETERS 'STORE GREW BY' SPEED "$plain"
for name in demo short deep slim; do
  speed=$("$ashlar" bench "$name" --prompt 64 --gen 64 --json | number decode_tokens_per_second)
  awk -v name="$name" -v parameters="${parameters[$name]}" -v bytes="${added[$name]}" \
    -v speed="$speed" 'BEGIN {
      size = bytes < 1e6 ? sprintf("%.1f kB", bytes / 1e3) : sprintf("%.1f MB", bytes / 1e6)
      printf "%-8s %10.2f M %14s %6.0f tok/s\n", name, parameters / 1e6, size, speed }'
done

printf '\n%s"%s"%s\n' "$dim" "$prompt" "$plain"
for name in demo short deep slim; do
  text=$("$ashlar" run "$name" -p "$prompt" --max-tokens 32 --temperature 0.7 --top-p 0.9 --seed 3)
  printf '%s%-6s%s %s\n' "$bold" "$name" "$plain" "${text#"$prompt"}" | tr -s '\n' ' '
  echo
done

# One network more, stored once, at three sizes. (A few tokens of calibration, to be quick.)
echo
step shrink demo --as any --tokens 256
"$ashlar" shrink demo --as any --tokens 256 --json >/dev/null
for weights in 2.5M 4M 7M; do
  text=$("$ashlar" run any -p "$prompt" --weights "$weights" --max-tokens 32 --seed 3)
  bits=$(awk -v megabytes="${weights%M}" -v parameters="${parameters[demo]}" \
    'BEGIN {printf "%.1f bits", 8e6 * megabytes / parameters}')
  printf '%s%-4s%s (%s) %s\n' "$bold" "$weights" "$plain" "$bits" "${text#"$prompt"}" | tr -s '\n' ' '
  echo
done

cat <<END

Four networks, one set of weights. (Dropped, repeated and sliced layers were not trained again:
the point is what they cost, and that they run.) Go on with:
  export ASHLAR_STORE=$ASHLAR_STORE
  $ashlar ls
  $ashlar show demo
  $ashlar diff demo short
  $ashlar run demo short -p 'def main():'
  $ashlar plan any --memory 40M --kv 8M
  $ashlar --help
END
