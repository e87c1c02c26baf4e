# Who was the primary, or has missed a change of primaries, takes the zones of the present one, whatever it has itself.
follow() {
  local zone version
  declare -A since=()
  for zone in "${!serial[@]}"; do since[$zone]=${era[$zone]:-0}; done
  if [ "${master[${zones[0]}]:-}" = "$name" ]; then
    ask_peer "$primary" 30
  else
    ask "${peers[$primary]}" || return 0
  fi
  versions > "$scratch/theirs"
  while read -r zone version; do
    if (((version >> 32) > ${since[$zone]:-0})); then
      knot <<< "zone-retransfer $zone" && wait_for "$zone" "$version" || fail "$site has not got $zone from" \
        "$primary within 30 s: $(cat "$scratch/said"). Is their link up? Then \`pulumi up\` again"
    fi
  done < "$scratch/theirs"
}

# what has no zones yet gets them without being told
if ((${#serial[@]})); then follow; fi
