# Part of install.sh: makes a release, and switches to one with the hub's database that belongs to it.
# shellcheck shell=bash disable=SC2154 # here, home, state, ... are install.sh's

make_release() {
  local version extras
  version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/pyproject.toml" | head -n 1)
  release=$home/releases/$version-$(date -u +%Y%m%d-%H%M%S)
  extras=${options[extras]:+[${options[extras]}]}
  # Half a release is of no use to anybody.
  trap '[[ -n $dry ]] || rm -rf "$release"' EXIT
  run "$python" -m venv "$release"
  # What is installed are libraries alone; Flower brings the app's code with every run.
  local pip=("$release/bin/pip" install --disable-pip-version-check --quiet --constraint "${options[constraints]}")
  [[ -z ${options[torch-index]:-} ]] || run "${pip[@]}" --index-url "${options[torch-index]}" torch torchvision
  run "${pip[@]}" "$here$extras"
  run install -d -m 0755 "$release/tools" "$release/app"
  run cp -r "$here/warm_worker" "$here/nectar_admin" "$release/tools/"
  # For the commands that a person calls: client_app.data, client_app.export, flwr run.
  run cp -r "${bundle[@]/#/$here/}" "$release/app/"
  run "$release/bin/python" -m compileall -q "$release/tools" "$release/app"
  trap - EXIT
}

installed_units() {
  local unit
  for unit in "${device_units[@]}" "${server_units[@]}"; do
    [[ ! -e $units/$unit ]] || printf '%s\n' "$unit"
  done
}

# A newer Flower may change the hub's database for good. So a copy stays of what each release left
# behind, under its name, and whoever goes back to a release finds what it left.
switch_to() { # RELEASE [restore]
  local left='' database=$state/superlink.db programs kept before
  [[ ! -L $home/current ]] || left=$(readlink "$home/current")
  if [[ -n $left && -e $database ]]; then
    programs=("$1/bin/python" "$here/systemd/superlink_database.py")
    kept=$database.of-$(basename "$left")
    before=$database.of-$(basename "$1")
    stop_hub
    run "${programs[@]}" keep "$database" "$kept" || fail "nothing was switched, for the reason above"
    if [[ ${2:-} == restore && -e $before ]]; then
      run "${programs[@]}" restore "$before" "$database" || fail "nothing was switched, for the reason above; $kept is a copy of the database as it was"
    fi
  fi
  [[ -z $left ]] || run ln -sfn "$left" "$home/previous"
  run ln -sfn "$1" "$home/current"
}

stop_hub() {
  [[ -e $units/nectar-superlink.service ]] || return 0
  run systemctl stop nectar-superlink.service
  # Whatever goes wrong until all are restarted, a federation does not stay without its hub.
  [[ -z $start ]] || trap 'run systemctl start nectar-superlink.service || true' EXIT
}

restart() { # UNIT...
  [[ -z $start || $# -eq 0 ]] || run systemctl restart "$@"
  trap - EXIT
}
