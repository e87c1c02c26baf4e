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
# a server that is to become the primary gets what it may have missed before it is told so
if [ "$site" = "$primary" ] && systemctl is-active --quiet knot && ask "$address" && ((${#serial[@]})); then
  fetch_newer 30
fi
