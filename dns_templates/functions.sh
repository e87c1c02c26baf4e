# What the scripts have in common. Before it stand the site's values: site, name, address, upstream, primary, peers, domain,
# zones, default_ttl, soa_timers, resolver_options.
set -u
records=/etc/knot/vpn-connect.records
lists=/var/lib/knot/vpn-connect # the lists of records that this server has been given, each named by its digest
scratch=$(mktemp -d) || exit
trap 'rm -rf "$scratch"' EXIT

fail() {
  echo "$*" >&2
  exit 1
}

# The errors that knotd has logged last.
log_end() {
  { tail -n 50 /var/log/knot.log 2> /dev/null || journalctl -q -n 50 -o cat -u knot; } | grep -E ' (error|critical): ' | tail -n 3
}

# Commands for knotd, a line each on standard input, in one process; what it said stays in $scratch/said.
knot() {
  knotc > "$scratch/said" 2>&1
  ! grep -q '^error: ' "$scratch/said"
}

# What a server at an address has of the zones, into associative arrays: era, serial, list, master (the primary's name), and
# soa without its serial; 1 when it does not answer. A zone's era is when its primary became that: of two servers the one
# with the later era, then with the higher serial, has the zone as it should be. Era and list stand in the zone itself.
ask() {
  local zone owner class type rest names questions=()
  declare -gA era=() serial=() list=() master=() soa=()
  for zone in "${zones[@]}"; do
    questions+=("@$1" "$zone" SOA "@$1" "_vpn-connect.$zone" TXT)
  done
  timeout 6 kdig +noall +answer +timeout=2 +retry=1 "${questions[@]}" > "$scratch/answer" 2>&1 || return 1
  while read -r owner _ class type rest; do
    zone=${owner#_vpn-connect.}
    case $class-$type in
      IN-SOA)
        read -r "master[$zone]" names "serial[$zone]" rest <<< "$rest"
        soa[$zone]="${master[$zone]} $names $rest"
        ;;
      IN-TXT) read -r "era[$zone]" "list[$zone]" <<< "${rest//\"/}" ;;
    esac
  done < "$scratch/answer"
}

# The zones that the server asked last has, as "zone version": versions compare as numbers.
versions() {
  local zone
  for zone in "${!serial[@]}"; do
    echo "$zone $(((${era[$zone]:-0} << 32) + ${serial[$zone]}))"
  done | sort
}

# Ask a peer until it answers, for $2 seconds at most.
ask_peer() {
  local deadline=$((SECONDS + $2))
  until ask "${peers[$1]}"; do
    ((SECONDS < deadline)) || fail "the name server of $1 (${peers[$1]}) does not answer $site's." \
      "Is their link up, and the machine? If the site is lost, say so: sites.$1.lost: true"
    sleep 0.5
  done
}

ask_self() {
  ask "$address" || fail "knotd does not answer at $address: $(log_end)"
}

# Fetch every zone that a peer has in a later version than this server; a peer may take $1 seconds to answer.
fetch_newer() {
  local peer zone version got
  declare -A own=() best=() at=()
  for peer in "${!peers[@]}"; do
    ask_peer "$peer" "$1"
    while read -r zone version; do
      ((version > ${best[$zone]:-0})) && best[$zone]=$version at[$zone]=$peer
    done < <(versions)
  done
  ask_self
  while read -r zone version; do own[$zone]=$version; done < <(versions)
  for zone in "${!best[@]}"; do
    ((${best[$zone]} > ${own[$zone]:-0})) || continue
    knot <<< "conf-begin
conf-set zone[$zone].master ${at[$zone]}
conf-commit
zone-retransfer $zone" && wait_for "$zone" "${best[$zone]}"
    got=$?
    knotc reload > /dev/null # the zone has the master of the configuration file again, or none
    ((got == 0)) || fail "$zone is newer at ${at[$zone]}, and $site has not got it from there within" \
      "30 s: $(cat "$scratch/said"). Is their link up? Then \`pulumi up\` again"
  done
}

# Wait until this server has a zone in a version, or a later one.
wait_for() {
  local tries
  for tries in $(seq 60); do
    ask_self
    if [ "${serial[$1]:-}" ] && (((${era[$1]:-0} << 32) + ${serial[$1]} >= $2)); then return; fi
    sleep 0.5
  done
  return 1
}
