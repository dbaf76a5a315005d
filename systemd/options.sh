# Part of install.sh: reads its options, and refuses what cannot be before anything is changed.
# shellcheck shell=bash disable=SC2154 # here, options, dry, ... are install.sh's

# What each action reads; anything else would be dropped without a word.
installing=" extras torch-index constraints python no-start dry-run "
declare -A reads=(
  [device]=" keys superlink partition of data model$installing"
  [server]=" keys split-name$installing"
  [upgrade]="$installing"
  [rollback]=" no-start dry-run "
  [remove]=" dry-run "
)

usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$here/systemd/install.sh"; }

read_options() { # ACTION WORD...
  local name words=${reads[$1]} action=$1
  declare -A seen=()
  shift
  while (($#)); do
    name=${1#--}
    case $1 in
      -h | --help) usage && exit 0 ;;
      --dry-run) dry=1 ;;
      --no-start) start= ;;
      --keys | --superlink | --partition | --of | --data | --model | --extras | --torch-index | --constraints | --python | --split-name)
        (($# > 1)) && [[ $2 != --* ]] || fail "$1: expected a value"
        [[ -n $2 && $2 != *[[:cntrl:]]* ]] || fail "$1: expected a value on one line, got '$2'"
        ;;
      *) fail "unknown option $1; --help lists them" ;;
    esac
    [[ $words == *" $name "* ]] || fail "$1: '$action' does not read it; expected one of${words// / --}"
    [[ -z ${seen[$name]:-} ]] || fail "$1: expected once, got it twice"
    seen[$name]=1
    if [[ $name != dry-run && $name != no-start ]]; then
      options[$name]=$2
      shift
    fi
    shift
  done
}

need() { # OPTION WHAT
  [[ -n ${options[$1]:-} ]] || fail "--$1 is needed: $2"
}

host='[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?'
largest_port=65535

check_device() {
  need keys "the folder keys/nodes/NAME that 'python -m nectar_admin keys node' made for this device"
  need superlink "host and port of the server's proxy, e.g. cloud.example.org:8443"
  need partition "which client this device is, from 0"
  need of "how many clients there are"
  local server=${options[superlink]}
  [[ $server =~ ^$host:[1-9][0-9]{0,4}$ ]] && ((${server##*:} <= largest_port)) ||
    fail "--superlink: expected HOST:PORT with a port from 1 to $largest_port, got '$server'"
  [[ ${options[of]} =~ ^[1-9][0-9]{0,8}$ ]] || fail "--of: expected a whole number from 1, got '${options[of]}'"
  [[ ${options[partition]} =~ ^(0|[1-9][0-9]{0,8})$ ]] || fail "--partition: expected a whole number from 0, got '${options[partition]}'"
  ((options[partition] < options[of])) || fail "--partition: expected less than --of ${options[of]}, got ${options[partition]}"
  local option
  for option in data model; do
    [[ ${options[$option]:-} != *[\"\\]* ]] || fail "--$option: expected no quotes or backslashes, got '${options[$option]}'"
  done
  check_keys node.key ca.crt superexec.secret
}

check_server() {
  need keys "the folder keys/server that 'python -m nectar_admin keys server' made"
  local name=${options[split-name]:-}
  [[ -z $name || $name =~ ^$host$ ]] ||
    fail "--split-name: expected the name by which devices reach this server, without scheme and port, e.g. cloud.example.org, got '$name'"
  check_keys server.crt server.key ca.crt superexec.secret
}

check_alone() { # UNIT WHAT
  [[ ! -e $units/$1 ]] || fail "this machine is a federation's $2 already, and keys of both would lie in $settings; use another machine, or 'remove' first"
}

check_keys() {
  local file
  for file in "$@"; do
    [[ -r ${options[keys]}/$file ]] || fail "--keys ${options[keys]}: expected $file in it; it is made by 'python -m nectar_admin keys'"
  done
}

choose_versions() { # device|server
  [[ -z ${options[constraints]:-} ]] || return 0
  options[constraints]=$here/constraints.txt
  # The newer torch for ARM brings gigabytes of CUDA, which a board without a GPU cannot use.
  [[ $1 != device || $(uname -m) != aarch64 ]] || options[constraints]=$here/constraints-device.txt
}

check_machine() {
  [[ -d $here/nectar_admin && -d $here/warm_worker ]] || fail "expected a whole checkout in $here; start this script from one"
  command -v "$python" >/dev/null || fail "there is no $python; name one with --python"
  "$python" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null ||
    fail "$python: expected Python 3.11 to 3.13 with venv (Debian: apt install python3-venv); name another with --python"
  [[ -f ${options[constraints]} ]] || fail "--constraints: there is no file ${options[constraints]}"
  local index=${options[torch-index]:-}
  [[ -z $index || $index =~ ^(https?|file)://. ]] || fail "--torch-index: expected an address, e.g. https://download.pytorch.org/whl/cpu, got '$index'"
  local option
  for option in extras data model; do
    [[ -z ${options[$option]:-} ]] || "$python" "$here/systemd/known_names.py" "$option" "${options[$option]}" || exit 2
  done
  if [[ -z $dry ]]; then
    ((EUID == 0)) || fail "run this as root, or look first with --dry-run"
    command -v systemctl >/dev/null || fail "there is no systemctl: this machine does not run systemd"
  fi
}
