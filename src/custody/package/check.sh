#!/bin/sh
# Compares every file of this package with its digest, offline, with what the system brings along.
# 用系统自带的程序核对本包的每个文件，不联网。
# It finds accidents. Who made the package is shown by its signature: evidock import-check.
cd "$(dirname "$0")" || exit 2

if command -v sha256sum >/dev/null 2>&1; then
  digest() { sha256sum -- "$1" | cut -c 1-64; }
elif command -v shasum >/dev/null 2>&1; then
  digest() { shasum -a 256 -- "$1" | cut -c 1-64; }
elif command -v openssl >/dev/null 2>&1; then
  digest() { openssl dgst -sha256 -r "$1" | cut -c 1-64; }
else
  echo "There is no sha256sum, shasum or openssl on this machine. 本机没有可用的校验程序。"
  exit 2
fi

bad=0
listed=0
compare() {
  if [ ! -f "$1" ]; then
    echo "MISSING 缺少: $1"
    bad=$((bad + 1))
    return
  fi
  while IFS= read -r line || [ -n "$line" ]; do
    wanted=${line%% *}
    name=${line#* }
    name=${name# }
    listed=$((listed + 1))
    if [ -L "$name" ] || [ ! -f "$name" ]; then
      echo "MISSING 缺少: $name"
      bad=$((bad + 1))
    elif [ "$(digest "$name")" != "$wanted" ]; then
      echo "DIFFERS 不一致: $name"
      bad=$((bad + 1))
    fi
  done <"$1"
}
compare manifest-sha256.txt
compare tagmanifest-sha256.txt

# The two lists and the one beside them are in no list; everything else must be.
files=$(find . -type f | wc -l)
if [ "$((files - 2))" -ne "$listed" ]; then
  find . -type f | sed 's|^\./||' | while IFS= read -r name; do
    case $name in tagmanifest-sha256.txt | tagmanifest-sha512.txt) continue ;; esac
    cut -c 67- manifest-sha256.txt tagmanifest-sha256.txt | grep -qxF -- "$name" || echo "NOT PART OF THE PACKAGE 多出: $name"
  done
  bad=$((bad + 1))
fi

if [ "$bad" -eq 0 ]; then
  echo "EVERY FILE IS THE SAME ($listed). 全部文件一致（$listed 个）。"
else
  echo "NOT THE SAME: $bad. 有 $bad 处不一致、缺少或多出。"
  exit 1
fi
