#!/usr/bin/env bash
# System packages that tests need (Debian, as root). The product itself needs none.
set -euo pipefail
packages=(curl openssh-client openssh-server rsync procps tcpdump iproute2 tmux zsh fish debootstrap systemd-container qemu-user-static python3 libfaketime)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] && exit 0
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
