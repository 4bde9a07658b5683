#!/usr/bin/env bash
# test_failing_watchdog.sh MPIRUN_SH FAILING_WATCHDOG WORK_DIR: exit 70 with a cause, said and written.
set -uo pipefail
rm -rf "$3" && mkdir -p "$3" || exit 1
"$1" 2 "$2" "$3" 2>"$3/errors"
code=$?
cat "$3/errors"
[ "$code" = 70 ] || { echo "exit $code, not 70"; exit 1; }
grep -q '^cause: rank 0 on .*: nobody expects this here$' "$3/errors" || { echo "no cause said"; exit 1; }
grep -q '"code": 70' "$3/end.json" && grep -q 'nobody expects this here' "$3/end.json" || { echo "no cause written"; exit 1; }
