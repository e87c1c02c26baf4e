# The commands that make a zone what it should be. What others have added stays: only records go that are in the list
# applied last, and in the present one no more.
changes() {
  local zone=$1 now=$EPOCHSECONDS since=${era[$1]:-0} owner ttl type value
  local names="$name hostmaster.$domain." timers="$soa_timers"
  printf '%s\n' "zone-abort $zone" "zone-begin $zone" # a run that was cut may have left a transaction open
  if [ "${soa[$zone]:-}" != "$names $timers" ]; then
    echo "zone-set $zone $zone $default_ttl SOA $names $((now > ${serial[$zone]:-0} ? now : serial[$zone] + 1)) $timers"
  fi
  if [ -e "$lists/${list[$zone]:-none}" ]; then
    grep -vxFf "$records" "$lists/${list[$zone]}" | while read -r in owner ttl type value; do
      if [ "$in" = "$zone" ]; then echo "zone-unset $zone $owner $type '$value'"; fi
    done
  fi
  while read -r in owner ttl type value; do
    if [ "$in" = "$zone" ]; then echo "zone-set $zone $owner $ttl $type '$value'"; fi
  done < "$records"
  if [ "${master[$zone]:-}" != "$name" ]; then since=$((now > since ? now : since + 1)); fi
  if [ "$since ${list[$zone]:-}" != "${era[$zone]:-} $digest" ]; then
    printf '%s\n' "zone-unset $zone _vpn-connect.$zone TXT" "zone-set $zone _vpn-connect.$zone $default_ttl TXT '\"$since $digest\"'"
  fi
}

# One transaction a zone. Nothing is committed before all of them are good.
change() {
  local zone errors
  # what is there already, or is not there any more, need not be changed
  local expected='such record already exists in zone|no such (record|node) in zone found|no active transaction'
  for zone in "${zones[@]}"; do changes "$zone"; done > "$scratch/changes"
  knot < "$scratch/changes"
  errors=$(grep '^error: ' "$scratch/said" | grep -vE "\(($expected)\)")
  if [ -z "$errors" ]; then
    printf 'zone-commit %s\n' "${zones[@]}" | knot || errors=$(log_end)
  fi
  if [ "$errors" ]; then
    printf 'zone-abort %s\n' "${zones[@]}" | knot
    fail "knotd refuses a change of the zones: $errors"
  fi
}

# Wait until the peers have what is here.
share() {
  local peer own deadline=$((SECONDS + 30))
  for peer in "${!peers[@]}"; do
    while
      ask_self
      own=$(versions)
      ! ask "${peers[$peer]}" || [ "$(versions)" != "$own" ]
    do
      ((SECONDS < deadline)) || fail "the name server of $peer (${peers[$peer]}) has not taken $site's zones" \
        "within 30 s. Is their link up, and knotd there? Then \`pulumi up\` again"
      printf 'zone-notify %s\n' "${zones[@]}" | knot
      sleep 0.5
    done
  done
}

# a machine made anew has no zones, and the others may: they may still boot, as may the routers between
if ((${#serial[@]} < ${#zones[@]})); then
  fetch_newer 90
  ask_self
fi
change
share
