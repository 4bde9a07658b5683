# Sourced by each finding: `python_with PACKAGE==VERSION ...` makes a virtual environment with exactly these packages in a
# temporary folder and sets $python. With DITBATCH_FINDINGS_SITE=FOLDER it is kept there, so that a second run is quick.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 HF_DATASETS_CACHE=$work/datasets PYTHONDONTWRITEBYTECODE=1 CUDA_VISIBLE_DEVICES=

python_with() {
  local site=$work/site
  if [ -n "${DITBATCH_FINDINGS_SITE:-}" ]; then
    site=$DITBATCH_FINDINGS_SITE/$(printf '%s\n' "$@" | sha256sum | cut -c 1-16)
  fi
  if [ ! -e "$site/ready" ]; then
    rm -rf "$site"
    mkdir -p "$(dirname "$site")"
    python3 -m venv "$site"
    "$site/bin/pip" install -q --disable-pip-version-check "$@"
    touch "$site/ready"
  fi
  python=$site/bin/python
  echo "with $*"
}
