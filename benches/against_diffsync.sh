#!/usr/bin/env bash
# Whole processes side by side: `bowline plan` and diffsync over the same made-up estate, in turn, in one run.
#
#   benches/against_diffsync.sh [ITEMS] [ROUNDS]      default: 100000 items, 3 rounds
#
# Needs python3, GNU time, and the two scripts of the developers' shared folder (make_estate.py, diffsync_peer.py).
# It checks the counts, then prints wall seconds and peak memory of each round.
set -euo pipefail
cd "$(dirname "$0")/.."
items=${1:-100000} rounds=${2:-3}
scripts=../shared/bench
[ -f $scripts/make_estate.py ] || { echo "skipped: $scripts is not here"; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cargo build --release --quiet
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet install diffsync==2.2.3
python3 $scripts/make_estate.py "$items" "$folder/data" >/dev/null

run() { # a name, then the command
  local name=$1
  shift
  /usr/bin/time -f "%e s  %M kB" -o "$folder/time" "$@" >"$folder/$name.out"
  printf '%-10s %s\n' "$name" "$(cat "$folder/time")"
}
for _ in $(seq "$rounds"); do
  run bowline target/release/bowline plan "$folder/data/estate" --state "$folder/state" --output json
  run diffsync "$folder/venv/bin/python" $scripts/diffsync_peer.py "$folder/data"
done

python3 - "$folder" <<'PYTHON'
import json, sys
folder = sys.argv[1]
expected = json.load(open(f"{folder}/data/expected.json"))
found = json.load(open(f"{folder}/bowline.out"))["summary"]["findings"]
wanted = {"Changed": expected["changed_memory"] + expected["changed_os"], "Missing": expected["missing"], "Undeclared": expected["undeclared"]}
assert found == wanted, (found, wanted)
print("the counts are those that were put in:", found)
PYTHON
