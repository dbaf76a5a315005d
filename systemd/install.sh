#!/usr/bin/env bash
# Installs this checkout as services of systemd: a device of a federation, or its server.
#
#   systemd/install.sh device --keys FOLDER --superlink HOST:PORT --partition N --of M [--data SPEC] [--model MODEL]
#   systemd/install.sh server --keys FOLDER [--split-name HOST]
#   systemd/install.sh upgrade          install this checkout beside the release in use, and switch to it
#   systemd/install.sh rollback         switch back to the release before
#   systemd/install.sh remove           stop and remove the services; keys, state and releases stay
#
#   --dry-run        print every command, run none; needs no rights
#
# and of what installs a release, so not of `rollback` and `remove`:
#
#   --extras LIST    of pyproject.toml, e.g. simulation; for a server, server by default
#   --torch-index U  take torch from there, e.g. https://download.pytorch.org/whl/cpu: saves gigabytes
#   --constraints F  versions to install (constraints.txt; for a device on ARM constraints-device.txt)
#   --python PROGRAM Python 3.11 to 3.13 (python3.11, or else python3)
#   --no-start       install only; of `rollback` too
#
# FOLDER holds the files that `python -m nectar_admin keys` made for this machine: keys/nodes/NAME of
# a device, keys/server of the server. What is there already is kept or replaced by the same; a second
# call mends what the first did not finish. Everything lies in three places:
#
#   /opt/nectar      releases, each an environment with this checkout's programs, and `current`
#   /etc/nectar      keys and settings, for the user nectar to read
#   /var/lib/nectar  state, for the user nectar alone
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=/opt/nectar
settings=/etc/nectar
state=/var/lib/nectar
units=/etc/systemd/system
device_units=(nectar-supernode.service nectar-superexec.service)
server_units=(nectar-superlink.service nectar-server-superexec.service nectar-proxy.service)
bundle=(server_app client_app local_federation strategies generators models pickles taressfl own_models docs pyproject.toml README.md LICENSE)

fail() {
  echo "install.sh: $1" >&2
  exit 2
}

source "$here/systemd/options.sh"
source "$here/systemd/releases.sh"

# Everything that changes the machine goes through these two.
run() {
  printf '+ '
  printf '%q ' "$@"
  printf '\n'
  [[ -n $dry ]] || "$@"
}

write() { # FILE MODE, its text on standard input
  local text
  text=$(cat)
  printf '+ write %s (mode %s, root:nectar):\n' "$1" "$2"
  sed 's/^/    /' <<<"$text"
  if [[ -z $dry ]]; then
    install -m "$2" -o root -g nectar /dev/stdin "$1.part" <<<"$text"
    mv -f "$1.part" "$1"
  fi
}

make_owner() {
  if ! getent passwd nectar >/dev/null; then
    run useradd --system --user-group --home-dir "$state" --no-create-home --shell /usr/sbin/nologin nectar
  fi
  run install -d -m 0755 "$home" "$home/releases"
  run install -d -m 0750 -o root -g nectar "$settings"
  run install -d -m 0700 -o nectar -g nectar "$state"
}

copy_keys() { # FILE...
  local file
  for file in "$@"; do
    run install -m 0640 -o root -g nectar "${options[keys]}/$file" "$settings/$file"
  done
}

copy_units() {
  run install -d "$units/nectar-.service.d"
  run install -m 0644 "$here/systemd/nectar-.service.d/10-common.conf" "$units/nectar-.service.d/"
  local unit
  for unit in "$@"; do
    run install -m 0644 "$here/systemd/$unit" "$units/"
  done
  run systemctl daemon-reload
  run systemctl enable "$@"
  restart "$@"
}

install_device() {
  check_device
  check_alone nectar-superlink.service server
  choose_versions device
  check_machine
  make_owner
  make_release
  switch_to "$release"
  copy_keys node.key ca.crt superexec.secret
  local config="partition-id=${options[partition]} num-partitions=${options[of]} state-dir=\"$state/state\""
  [[ -z ${options[data]:-} ]] || config+=" data=\"${options[data]}\""
  [[ -z ${options[model]:-} ]] || config+=" model=\"${options[model]}\""
  printf 'SUPERLINK=%s\nNODE_CONFIG=%s\n' "${options[superlink]}" "$config" | write "$settings/device.env" 0640
  copy_units "${device_units[@]}"
  say "journalctl -fu nectar-supernode -u nectar-superexec" "device"
}

install_server() {
  check_server
  options[extras]=${options[extras]:-server}
  check_alone nectar-supernode.service device
  choose_versions server
  check_machine
  [[ -n $dry || -x /usr/sbin/nginx ]] || fail "there is no /usr/sbin/nginx (Debian: apt install nginx-light; then systemctl disable --now nginx)"
  make_owner
  make_release
  switch_to "$release"
  copy_keys server.crt server.key ca.crt superexec.secret
  # The container's configuration with this machine's paths; the hub is on loopback and never moves, and
  # the journal is no file that can be opened.
  sed -e '/resolver/d' -e 's|access_log /dev/stdout|access_log syslog:server=unix:/dev/log,nohostname|' \
    -e "s|/keys/server/|$settings/|g" -e "s|/keys/|$settings/|g" \
    -e 's|set \$hub .*;|set $hub 127.0.0.1:8000;|' "$here/docker/nginx.conf" | write "$settings/nginx.conf" 0640
  if [[ -n ${options[split-name]:-} ]]; then
    printf 'NECTAR_SPLIT_HOST=0.0.0.0\nNECTAR_SPLIT_PORT=9443\nNECTAR_SPLIT_ADVERTISE=%s:9443\n' "${options[split-name]}" |
      write "$settings/server.env" 0640
  fi
  copy_units "${server_units[@]}"
  say "journalctl -fu nectar-superlink -u nectar-server-superexec -u nectar-proxy" "server"
}

upgrade() {
  mapfile -t known < <(installed_units)
  ((${#known[@]})) || fail "nothing is installed here yet; use 'device' or 'server' first"
  if [[ " ${known[*]} " == *" nectar-superlink.service "* ]]; then
    options[extras]=${options[extras]:-server}
    choose_versions server
  fi
  choose_versions device
  check_machine
  make_release
  switch_to "$release"
  copy_units "${known[@]}"
  say "$0 rollback" "upgrade; if it does not work"
}

rollback() {
  [[ -e $home/previous ]] || fail "there is no release before the one in use"
  mapfile -t known < <(installed_units)
  switch_to "$(readlink "$home/previous")" restore
  restart "${known[@]}"
}

remove() {
  mapfile -t known < <(installed_units)
  ((${#known[@]})) || fail "nothing is installed here"
  run systemctl disable --now "${known[@]}"
  run rm -f "${known[@]/#/$units/}" "$units/nectar-.service.d/10-common.conf"
  run systemctl daemon-reload
  echo "Kept: $settings (keys), $state (private models and splits), $home (releases). Remove them by hand once you are sure."
}

say() { # COMMAND WHAT
  if [[ -n $dry ]]; then
    echo "Nothing was changed: this was a dry run."
  else
    echo "Done ($2): $1"
  fi
}

dry=
start=1
python=$(command -v python3.11 || echo python3)
release=
declare -A options=()
action=${1:-}
(($# == 0)) || shift
case $action in
  device | server | upgrade | rollback | remove) read_options "$action" "$@" ;;
  -h | --help) usage && exit 0 ;;
  "") usage >&2 && exit 2 ;;
  *) fail "expected device, server, upgrade, rollback or remove, got '$action'" ;;
esac
python=${options[python]:-$python}
[[ -n $dry || $EUID -eq 0 ]] || fail "run this as root, or look first with --dry-run"
case $action in
  device) install_device ;;
  server) install_server ;;
  *) "$action" ;;
esac
