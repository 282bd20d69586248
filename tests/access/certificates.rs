//! Signing in with certificates as openssl makes them, over real TLS: the one that was bound lets in, and every other is told why
//! not.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::support::station::{Station, text};
use super::{first, provider::refusals};

const CA: &str = "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\nserial = serial\nnew_certs_dir = .\ndefault_md = sha256\n\
    policy = p\ncertificate = ca.pem\nprivate_key = ca.key\nunique_subject = no\n[p]\ncommonName = supplied\n\
    [people]\nextendedKeyUsage = clientAuth\n[servers]\nextendedKeyUsage = serverAuth\n";

fn openssl(dir: &Path, words: &str) -> String {
    let output = Command::new("openssl").current_dir(dir).args(words.split(' ')).output().expect("openssl");
    assert!(output.status.success(), "openssl {words}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// An authority of this name in a directory of its own.
fn authority(dir: &Path, name: &str) {
    fs::create_dir(dir).unwrap();
    fs::write(dir.join("ca.cnf"), CA).unwrap();
    fs::write(dir.join("index.txt"), "").unwrap();
    fs::write(dir.join("serial"), "01\n").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(dir, &format!("req -x509 {key} -keyout ca.key -out ca.pem -days 30 -subj /CN={name}"));
}

/// A certificate with its key, and its fingerprint as openssl prints it.
fn person(dir: &Path, name: &str, span: &str, extensions: &str) -> String {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(dir, &format!("req -new {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
    openssl(
        dir,
        &format!("ca -batch -notext -config ca.cnf -in {name}.csr -out {name}.crt {span} -extensions {extensions}"),
    );
    let both = fs::read_to_string(dir.join(format!("{name}.crt"))).unwrap()
        + &fs::read_to_string(dir.join(format!("{name}.key"))).unwrap();
    fs::write(dir.join(format!("{name}.pem")), both).unwrap();
    openssl(dir, &format!("x509 -in {name}.crt -noout -fingerprint -sha256")).trim().to_owned()
}

/// Somebody with a browser that trusts the page, and perhaps a certificate.
struct Guest {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    page: String,
}

impl Guest {
    fn new(station: &Station, page: &str, certificate: Option<&Path>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let own = reqwest::Certificate::from_pem(&fs::read(station.path("page.crt")).unwrap()).unwrap();
        let mut client = reqwest::Client::builder()
            .no_proxy()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_only([own]);
        if let Some(path) = certificate {
            client = client.identity(reqwest::Identity::from_pem(&fs::read(path).unwrap()).unwrap());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, client: client.build().unwrap(), page: page.trim_end_matches('/').to_owned() }
    }

    fn get(&self, path: &str, cookie: &str) -> (u16, String) {
        self.runtime.block_on(async {
            let answer = self.client.get(format!("{}{path}", self.page)).header("cookie", cookie).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        })
    }

    /// Presses the button; gives the cookie, too.
    fn sign_in(&self) -> (u16, Option<String>, String) {
        self.runtime.block_on(async {
            let request = self.client.post(format!("{}/signin/certificate", self.page)).header("origin", &self.page);
            let request = request.header("content-type", "application/x-www-form-urlencoded").body("next=%2Fclips");
            let answer = request.send().await.unwrap();
            let cookie = answer.headers().get("set-cookie").map(|v| v.to_str().unwrap().to_owned());
            (answer.status().as_u16(), cookie, answer.text().await.unwrap())
        })
    }
}

#[test]
fn a_certificate_lets_in_whom_it_was_bound_to() {
    let mut station = Station::new("");
    let (ours, theirs) = (station.path("ours"), station.path("theirs"));
    authority(&ours, "agency");
    authority(&theirs, "agency");
    let zhang = person(&ours, "zhang", "-days 10", "people");
    person(&ours, "stranger", "-days 10", "people");
    let old = person(&ours, "old", "-startdate 20200101000000Z -enddate 20200201000000Z", "people");
    let server = person(&ours, "server", "-days 10", "servers");
    let foreign = person(&theirs, "zhang", "-days 10", "people");
    let page = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(station.path("page.crt"), page.cert.pem()).unwrap();
    fs::write(station.path("page.key"), page.signing_key.serialize_pem()).unwrap();
    station.configure("tls_certificate = \"page.crt\"\ntls_key = \"page.key\"\nclient_ca_file = \"ours/ca.pem\"");
    station.start();
    first(&station, &["user", "first", "boss"]);
    first(&station, &["user", "add", "zhang", "--role", "archivist"]);
    let words = station.refused(1, ["user", "change", "zhang", "--certificate", "12:34"]).1;
    assert!(words.contains("openssl x509"), "{words}");
    // Also those that are refused are bound: what they lack is not an account.
    let all = [zhang.as_str(), &old, &server, &foreign].join(",");
    let told = station.json(["user", "change", "zhang", "--certificate", &all]);
    assert_eq!(told["certificates"].as_array().unwrap().len(), 4);

    let page = station.page();
    let guest = |certificate: Option<&Path>| Guest::new(&station, &page, certificate);
    let (status, html) = guest(None).get("/signin", "");
    assert!(status == 200 && !html.contains("/signin/certificate"), "nobody must have one");
    let (status, cookie, html) = guest(None).sign_in();
    assert!(status == 401 && cookie.is_none() && html.contains("没有出示证书"), "{status} {html}");
    for (path, words) in [
        (ours.join("old.pem"), "已过有效期"),
        (theirs.join("zhang.pem"), "不是本单位认可的机构签发的"),
        (ours.join("server.pem"), "不能用来登录"),
        (ours.join("stranger.pem"), "还没有绑定本站账号"),
    ] {
        let guest = guest(Some(&path));
        assert_eq!(guest.get("/kiosk", "").0, 200, "{}: the rest of the page is there", path.display());
        let (status, cookie, html) = guest.sign_in();
        assert!(status == 401 && cookie.is_none() && html.contains(words), "{}: {status} {html}", path.display());
        assert!(html.contains("name=\"password\""));
    }
    let zhang = guest(Some(&ours.join("zhang.pem")));
    let shown = zhang.get("/signin", "").1;
    assert!(shown.contains("/signin/certificate"), "{shown}");
    assert_eq!(zhang.get("/clips", "").0, 303, "a certificate alone opens nothing");
    let (status, cookie, _) = zhang.sign_in();
    let cookie = cookie.unwrap();
    assert!(status == 303 && cookie.starts_with("__Host-evidock=") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert_eq!(zhang.get("/clips", cookie.split(';').next().unwrap()).0, 200);
    assert_eq!(station.json(["user", "sessions", "zhang"])[0]["by"], "certificate");
    assert_eq!(
        refusals(&station),
        [
            "certificate_none",
            "certificate_expired",
            "certificate_foreign",
            "certificate_unusable",
            "certificate_unbound"
        ]
    );
    // A lock after wrong passwords keeps nobody out who has their card; taking the certificate away does.
    station.json(["user", "change", "zhang", "--certificate", ""]);
    assert_eq!(zhang.get("/clips", cookie.split(';').next().unwrap()).0, 303);
    assert_eq!(zhang.sign_in().0, 401);
    station.stop();
}
