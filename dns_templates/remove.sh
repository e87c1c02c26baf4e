systemctl disable --quiet --now knot
rm -rf /var/lib/knot/* /etc/knot/knot.conf /etc/knot/vpn-connect.records
sed -i "/^options $resolver_options$/d" /etc/resolv.conf
