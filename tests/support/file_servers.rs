//! Real file servers for tests, each with its data in a directory with a Chinese name: sshd, vsftpd and apache2, which
//! `scripts/setup test` unpacks, and three small ones in Python that lack what those have and misbehave when told to.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use evidock::config::SecretFile;
use evidock::deliver::ftp::{FtpOptions, FtpTls};
use evidock::deliver::http::{ClientCertificate, HttpOptions};
use evidock::deliver::sftp::SftpOptions;
use evidock::deliver::webdav::WebdavOptions;
use evidock::deliver::{Keys, Secret};
use tokio::net::TcpStream;

use super::guarded::{Guarded, free_ports, tools};

/// The password that every one of them knows.
pub const PASSWORD: &str = "s3cret";
/// Who has it, where a server has users of its own.
pub const USER: &str = "station";
/// Where objects stand, as a person at an agency would call it.
const DATA: &str = "证据 执法";

/// A running server with its data.
pub struct FileServer {
    guarded: Guarded,
    port: u16,
    user: String,
    fingerprint: String,
}

impl FileServer {
    /// OpenSSH's sshd, letting in a key; `denied` are requests that its SFTP refuses (sftp-server(8), -P).
    pub async fn sshd(denied: &str) -> Self {
        let mut server = Self::new("sshd");
        for name in ["host", "user"] {
            keygen(&["-q", "-t", "ed25519", "-N", "", "-f"], &server.path(name));
        }
        server.read_fingerprint();
        let (dir, port) = (server.dir().display().to_string(), server.port);
        let denied = if denied.is_empty() { String::new() } else { format!(" -P {denied}") };
        // PAM is asked about the account alone: without it an account that has no password cannot come in by its key.
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {dir}/host\nAuthorizedKeysFile {dir}/user.pub\nPidFile none\n\
             UsePAM yes\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\n\
             Subsystem sftp internal-sftp{denied}\n"
        );
        std::fs::write(server.path("config"), config).unwrap();
        let program = tools().join("servers/usr/sbin/sshd");
        server.guarded.unprivileged(&program).args(["-D", "-e", "-f"]).arg(format!("{dir}/config"));
        let root = rustix::process::getuid().is_root();
        let id = Command::new("id").arg("-un").output().unwrap().stdout;
        server.user = if root { "nobody".to_owned() } else { String::from_utf8(id).unwrap().trim().to_owned() };
        server.start_again().await;
        server
    }

    /// The SFTP server without extensions.
    pub async fn plain_sftp() -> Self {
        let mut server = Self::new("sftp");
        keygen(&["-q", "-t", "ed25519", "-N", "", "-f"], &server.path("host"));
        server.read_fingerprint();
        let host = server.path("host");
        server.python("sftp_plain.py").arg(host);
        server.start_again().await;
        server
    }

    /// vsftpd with its one guest; `data_port` is the one port of its data connections, 0 for any.
    pub async fn vsftpd(tls: FtpTls, data_port: u16) -> Self {
        let mut server = Self::new("vsftpd");
        server.user = "ftp".to_owned();
        let (dir, port) = (server.dir().display().to_string(), server.port);
        server.make_certificate();
        std::fs::write(server.path("passwords"), format!("{PASSWORD}\n")).unwrap();
        std::fs::create_dir(server.path("empty")).unwrap();
        let mut config = format!(
            "listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\nrun_as_launching_user=YES\n\
             anonymous_enable=YES\nlocal_enable=NO\nwrite_enable=YES\nanon_upload_enable=YES\nanon_mkdir_write_enable=YES\n\
             anon_other_write_enable=YES\nanon_world_readable_only=NO\nanon_umask=022\nanon_root={dir}/{DATA}\n\
             ftp_username=nobody\nsecure_email_list_enable=YES\nemail_password_file={dir}/passwords\nseccomp_sandbox=NO\n\
             secure_chroot_dir={dir}/empty\nxferlog_enable=YES\nxferlog_std_format=NO\nlog_ftp_protocol=YES\n\
             vsftpd_log_file={dir}/transfers.log\npasv_min_port={data_port}\npasv_max_port={data_port}\n"
        );
        if tls != FtpTls::Off {
            let implicit = if tls == FtpTls::Implicit { "YES" } else { "NO" };
            config.push_str(&format!(
                "ssl_enable=YES\nallow_anon_ssl=YES\nforce_anon_logins_ssl=YES\nforce_anon_data_ssl=YES\nssl_ciphers=HIGH\n\
                 implicit_ssl={implicit}\nrsa_cert_file={dir}/cert.pem\nrsa_private_key_file={dir}/key.pem\n"
            ));
        }
        std::fs::write(server.path("config"), config).unwrap();
        let program = tools().join("servers/usr/sbin/vsftpd");
        server.guarded.unprivileged(&program).arg(format!("{dir}/config"));
        server.start_again().await;
        server
    }

    /// The FTP server that lists for machines.
    pub async fn plain_ftp() -> Self {
        let mut server = Self::new("ftp");
        server.python("ftp_plain.py");
        server.start_again().await;
        server
    }

    /// Apache's mod_dav; over TLS and asking who we are, or neither.
    pub async fn apache(mutual_tls: bool) -> Self {
        let mut server = Self::new("apache");
        let (dir, port) = (server.dir().display().to_string(), server.port);
        server.make_certificate();
        let modules = tools().join("servers/usr/lib/apache2/modules");
        let mut wanted =
            vec!["mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "dav", "dav_fs"];
        if mutual_tls {
            wanted.extend(["socache_shmcb", "ssl"]);
        }
        let mut config = format!(
            "ServerRoot {dir}\nServerName 127.0.0.1\nListen 127.0.0.1:{port}\nPidFile {dir}/pid\nErrorLog {dir}/errors.log\n\
             Mutex file:{dir}\n"
        );
        for name in wanted {
            let file = format!("mod_{name}.so");
            std::fs::copy(modules.join(&file), server.path(&file)).unwrap();
            config.push_str(&format!("LoadModule {name}_module {dir}/{file}\n"));
        }
        if mutual_tls {
            config.push_str(&format!(
                "SSLEngine on\nSSLCertificateFile {dir}/cert.pem\nSSLCertificateKeyFile {dir}/key.pem\n\
                 SSLVerifyClient require\nSSLCACertificateFile {dir}/client.pem\nSSLSessionCache shmcb:{dir}/sessions(512000)\n"
            ));
        }
        config.push_str(&format!(
            "DavLockDB {dir}/locks\nDocumentRoot {dir}\n<Directory \"{dir}/{DATA}\">\nDav On\nAllowOverride None\n\
             AuthType Basic\nAuthName evidock\nAuthUserFile {dir}/users\nRequire valid-user\n</Directory>\n"
        ));
        std::fs::write(server.path("config"), config).unwrap();
        // SHA-1 of the password in base64, as htpasswd -s writes it.
        std::fs::write(server.path("users"), format!("{USER}:{{SHA}}/vNB+F2HQ559kaLUZbmHHvZrXpg=\n")).unwrap();
        let program = tools().join("servers/usr/sbin/apache2");
        server.guarded.unprivileged(&program).args(["-X", "-f"]).arg(format!("{dir}/config"));
        server.start_again().await;
        server
    }

    /// The WebDAV server that takes no parts of files.
    pub async fn plain_webdav() -> Self {
        let mut server = Self::new("webdav");
        server.python("webdav_plain.py");
        server.start_again().await;
        server
    }

    fn new(name: &str) -> Self {
        super::install_tls();
        let guarded = Guarded::new(name);
        std::fs::create_dir(guarded.dir().join(DATA)).unwrap();
        std::fs::write(guarded.dir().join("password"), format!("{PASSWORD}\n")).unwrap();
        Self { guarded, port: free_ports::<1>()[0], user: USER.to_owned(), fingerprint: String::new() }
    }

    fn python(&mut self, script: &str) -> &mut Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/servers").join(script);
        let (port, data) = (self.port.to_string(), self.data());
        let command = self.guarded.command(&tools().join("python-servers/bin/python"));
        command.arg(script).arg(port).arg(data)
    }

    fn read_fingerprint(&mut self) {
        let told = keygen(&["-l", "-f"], &self.path("host.pub"));
        self.fingerprint = told.split(' ').find(|word| word.starts_with("SHA256:")).unwrap().to_owned();
    }

    /// A certificate for the server, and one for us that it trusts.
    fn make_certificate(&self) {
        for (name, cert, key) in [("127.0.0.1", "cert.pem", "key.pem"), ("station", "client.pem", "client-key.pem")] {
            let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
            std::fs::write(self.path(cert), made.cert.pem()).unwrap();
            std::fs::write(self.path(key), made.signing_key.serialize_pem()).unwrap();
        }
    }

    /// Starts it again after [`FileServer::kill`]; returns when it takes connections.
    pub async fn start_again(&self) {
        self.guarded.start();
        for _ in 0..9000 {
            if TcpStream::connect(self.address()).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server does not come up; {}", self.guarded.last_words());
    }

    /// Kills it; its data stays.
    pub fn kill(&self) {
        self.guarded.kill();
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Where its objects stand on the disk.
    pub fn data(&self) -> PathBuf {
        self.path(DATA)
    }

    /// Something beside its objects.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    fn dir(&self) -> &Path {
        self.guarded.dir()
    }

    /// Who we are there.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Fingerprint of its host key.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Orders a fault of one of the servers in Python.
    pub fn order(&self, fault: &str) {
        std::fs::write(self.path(fault), "").unwrap();
    }

    /// Ends it.
    pub fn end(&self, fault: &str) {
        std::fs::remove_file(self.path(fault)).unwrap();
    }

    /// Uploads under way, or left over, by the names of their files.
    pub fn uploads(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.data().join("evidock-uploads")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// The file of the one upload that is under way.
    pub fn upload(&self) -> PathBuf {
        let names = self.uploads();
        assert_eq!(names.len(), 1, "{names:?}");
        self.data().join("evidock-uploads").join(&names[0])
    }

    /// Options for SFTP; sshd is shown a key, the other a password.
    pub fn sftp(&self) -> SftpOptions {
        let key = self.path("user");
        SftpOptions {
            name: super::named("platform"),
            station: super::station(),
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: self.user.clone(),
            password: (!key.exists()).then(|| SecretFile::new(self.path("password"))),
            private_key: key.exists().then(|| SecretFile::new(key)),
            host_key: Some(self.fingerprint.clone()),
            root: self.data().display().to_string(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
        }
    }

    /// Options for FTP.
    pub fn ftp(&self, tls: FtpTls) -> FtpOptions {
        let root = if self.user == USER { "/".to_owned() } else { self.data().display().to_string() };
        FtpOptions {
            name: super::named("platform"),
            station: super::station(),
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: self.user.clone(),
            password: SecretFile::new(self.path("password")),
            tls,
            ca_file: (tls != FtpTls::Off).then(|| self.path("cert.pem")),
            root,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
        }
    }

    /// Options for WebDAV; `scheme` is `http` or `https`.
    pub fn webdav(&self, scheme: &str) -> WebdavOptions {
        let is_apache = self.path("users").exists();
        let mut http = HttpOptions::default();
        if scheme == "https" {
            http.ca_file = Some(self.path("cert.pem"));
            let (certificate, key) = (self.path("client.pem"), self.path("client-key.pem"));
            http.client_certificate = Some(ClientCertificate { certificate, key });
        }
        WebdavOptions {
            name: super::named("dav"),
            station: super::station(),
            endpoint: format!("{scheme}://127.0.0.1:{}", self.port),
            root: if is_apache { format!("/{DATA}/") } else { "/".to_owned() },
            keys: Some(Keys::fixed(USER, Secret::new(PASSWORD))),
            http,
        }
    }
}

fn keygen(args: &[&str], file: &Path) -> String {
    let program = tools().join("servers/usr/bin/ssh-keygen");
    assert!(program.exists(), "{} is missing: run `scripts/setup test`", program.display());
    let done = Command::new(program).args(args).arg(file).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

/// Makes a key of another kind beside those of a server.
pub fn make_key(kind: &str, passphrase: &str, file: &Path) {
    keygen(&["-q", "-t", kind, "-N", passphrase, "-f"], file);
}
