//! A real second S3 server for tests: Ceph's object gateway with a monitor and one object store behind it, on free
//! ports of 127.0.0.1, over plain HTTP and over TLS.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use evidock::deliver::s3::S3Options;
use evidock::deliver::{Keys, Secret};

use super::guarded::{Guarded, free_ports};
use super::weed::{ACCESS_KEY, SECRET_KEY, signed_request};

/// Makes the cluster in its directory, then runs its processes until it is killed with its group. No authentication
/// between them: nothing but this process reaches their ports.
const CLUSTER: &str = r#"
set -e
dir=$1 http=$2 https=$3 mon=$4 mon1=$5 key=$6 secret=$7
cd "$dir"
mkdir -p mon osd/0 rgw run logs
fsid=$(cat /proc/sys/kernel/random/uuid)
cat >ceph.conf <<END
[global]
fsid = $fsid
mon_host = [v2:127.0.0.1:$mon,v1:127.0.0.1:$mon1]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
ms_client_mode = crc
ms_cluster_mode = crc
ms_service_mode = crc
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
mon_allow_pool_size_one = true
mon_data_avail_warn = 1
mon_data_avail_crit = 1
osd_crush_chooseleaf_type = 0
osd_objectstore = bluestore
bluestore_block_create = true
bluestore_block_size = 8589934592
osd_memory_target = 939524096
osd_max_object_name_len = 256
osd_max_object_namespace_len = 64
run_dir = $dir/run
admin_socket = $dir/run/\$cluster-\$name.\$pid.asok
log_file = $dir/logs/\$name.log
mon_data = $dir/mon/\$id
osd_data = $dir/osd/\$id
rgw_data = $dir/rgw
rgw_frontends = beast endpoint=127.0.0.1:$http ssl_endpoint=127.0.0.1:$https ssl_certificate=$dir/cert.pem ssl_private_key=$dir/key.pem
rgw_enable_apis = s3, admin
rgw_dns_name = localhost
debug_rgw = 0
keyring = $dir/keyring
END
export CEPH_CONF=$dir/ceph.conf
ceph-authtool -C keyring -g -n mon. --cap mon 'allow *'
ceph-authtool keyring -g -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
monmaptool --create --addv a "[v2:127.0.0.1:$mon,v1:127.0.0.1:$mon1]" --fsid "$fsid" --clobber monmap
ceph-mon -c ceph.conf --mkfs -i a --monmap monmap --keyring keyring
ceph-mon -c ceph.conf -i a -f &
ceph -c ceph.conf --connect-timeout 60 mon dump
uuid=$(cat /proc/sys/kernel/random/uuid)
ceph -c ceph.conf osd new "$uuid"
ceph-osd -c ceph.conf -i 0 --mkfs --osd-uuid "$uuid" --no-mon-config
ceph-osd -c ceph.conf -i 0 -f &
ceph -c ceph.conf osd crush add 0 1 host=h root=default
until ceph -c ceph.conf osd stat | grep -q '1 up'; do read -rt 0.2 <> <(:) || :; done
radosgw -c ceph.conf -n client.admin -f &
radosgw-admin -c ceph.conf user create --uid=t --display-name=t --access-key="$key" --secret-key="$secret"
wait
"#;

/// A running cluster. Ends, with its data, when it is dropped or when the process ends in whatever way.
pub struct Ceph {
    http: SocketAddr,
    https: SocketAddr,
    server: Guarded,
}

impl Ceph {
    /// Makes and starts a cluster, and waits until it serves S3: some 20 s.
    pub async fn start() -> Self {
        super::install_tls();
        for program in ["ceph-mon", "ceph-osd", "radosgw", "ceph"] {
            let there = Path::new("/usr/bin").join(program).exists();
            assert!(there, "{program} is missing: run `scripts/setup full`");
        }
        let mut server = Guarded::new("ceph");
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        std::fs::write(server.dir().join("cert.pem"), certified.cert.pem()).unwrap();
        std::fs::write(server.dir().join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
        let dir = server.dir().to_owned();
        let ports = free_ports::<4>();
        let command = server.command(Path::new("/bin/bash"));
        command.args(["-c", CLUSTER, "ceph"]).arg(&dir).args(ports.map(|port| port.to_string()));
        command.args([ACCESS_KEY, SECRET_KEY]);
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let ceph = Self { http: at(ports[0]), https: at(ports[1]), server };
        ceph.server.start();
        let mut last = String::new();
        // The user is made after the gateway answers.
        for _ in 0..1200 {
            match signed_request(ceph.http, "PUT", "/ready", &[], Bytes::new()).await {
                Ok((200 | 409, _)) => return ceph,
                other => last = format!("{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("Ceph does not serve within two minutes ({last}); {}", ceph.server.last_words());
    }

    /// Makes a bucket.
    pub async fn make_bucket(&self, bucket: &str) {
        let (status, body) =
            signed_request(self.http, "PUT", &format!("/{bucket}"), &[], Bytes::new()).await.expect("Ceph answers");
        assert_eq!(status, 200, "{body}");
    }

    /// Makes a bucket that keeps locks, and versions with them.
    pub async fn make_locking_bucket(&self, bucket: &str) {
        let locking = [("x-amz-bucket-object-lock-enabled", "true")];
        let (status, body) = signed_request(self.http, "PUT", &format!("/{bucket}"), &locking, Bytes::new())
            .await
            .expect("Ceph answers");
        assert_eq!(status, 200, "{body}");
    }

    /// Options for a destination in `bucket`, over plain HTTP.
    pub fn options(&self, bucket: &str) -> S3Options {
        self.options_at(&format!("http://{}", self.http), bucket)
    }

    /// The same over TLS, trusting its certificate.
    pub fn options_tls(&self, bucket: &str) -> S3Options {
        let mut options = self.options_at(&format!("https://{}", self.https), bucket);
        options.http.ca_file = Some(self.server.dir().join("cert.pem"));
        options
    }

    fn options_at(&self, endpoint: &str, bucket: &str) -> S3Options {
        let keys = Keys::fixed(ACCESS_KEY, Secret::new(SECRET_KEY));
        S3Options::new(super::named("ceph"), super::station(), endpoint, bucket, keys)
    }
}
