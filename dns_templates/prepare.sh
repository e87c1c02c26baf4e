# Knot from Debian, while the machine's own resolver may ask servers that are not there yet: this one among them.
install_knot() {
  local drop_in=/run/systemd/resolved.conf.d/vpn-connect.conf
  [ "$upstream" ] || fail "knot is not installed, and without dnsServers $site has no name server to get it by:" \
    "set sites.$site.dnsServers, or take an image that has the packages knot and knot-dnsutils"
  if systemctl is-active --quiet systemd-resolved; then
    mkdir -p "${drop_in%/*}"
    printf '[Resolve]\nDNS=%s\nDomains=~.\n' "$upstream" > $drop_in
    systemctl restart systemd-resolved
    apt_get
    rm $drop_in
    systemctl restart systemd-resolved
  else
    echo "nameserver $upstream" > "$scratch/resolv.conf"
    export -f apt_get
    unshare --mount bash -c "mount --bind '$scratch/resolv.conf' /etc/resolv.conf && apt_get"
  fi
  command -v knotd kdig > /dev/null || fail "knot cannot be installed: $(tail -n 5 /var/log/vpn-connect-apt.log)"
}

apt_get() {
  local options=(-q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  export DEBIAN_FRONTEND=noninteractive
  { apt-get "${options[@]}" update && apt-get "${options[@]}" install --no-install-recommends knot knot-dnsutils; } \
    > /var/log/vpn-connect-apt.log 2>&1
}

if ! command -v knotd kdig > /dev/null; then install_knot; fi
mkdir -p $lists

# A server that is to follow another primary must not do so while that one has older zones, of an era that is over: knotd
# would take them as soon as their serial is the higher one.
check_era() {
  local zone now=${master[${zones[0]}]}
  declare -A since=()
  for zone in "${!serial[@]}"; do since[$zone]=${era[$zone]:-0}; done
  if [ "$now" = "$primary-linux.$domain." ]; then return; fi
  ask_peer "$primary" 30
  for zone in "${!serial[@]}"; do
    ((${era[$zone]:-0} >= ${since[$zone]:-0})) || fail "$primary was the primary before, and its zones are older than" \
      "those of ${now%-linux.*}: set dns.primary: ${now%-linux.*} and \`pulumi up\`, by which $primary takes them;" \
      "then set dns.primary: $primary and \`pulumi up\` again"
  done
}

if systemctl is-active --quiet knot && ask "$address" && ((${#serial[@]})); then
  # a server that is to become the primary gets what it may have missed before it is told so
  if [ "$site" = "$primary" ]; then fetch_newer 30; else check_era; fi
fi
