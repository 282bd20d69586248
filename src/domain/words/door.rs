//! Words of signing in another way than by password: an identity provider, a certificate; and why somebody was not let in. Each
//! says what to do next, and the password of the station's own account is always one of the ways.

use super::{Lang, Words};
use crate::domain::identity::SignInBy;

impl Words {
    fn in_words(&self, zh: &'static str, en: &'static str) -> &'static str {
        match self.lang {
            Lang::Zh => zh,
            Lang::En => en,
        }
    }

    /// On the button, where the configuration has no other words.
    pub fn by_provider(&self) -> &'static str {
        self.in_words("用单位统一认证登录", "Sign in with the agency's account")
    }

    /// On the button.
    pub fn by_certificate(&self) -> &'static str {
        self.in_words("用证书登录", "Sign in with a certificate")
    }

    /// Between the ways in.
    pub fn or_else(&self) -> &'static str {
        self.in_words("或", "or")
    }

    /// The certificate that the browser showed.
    pub fn certificate_shown(&self) -> &'static str {
        self.in_words("浏览器出示的证书", "Certificate that the browser shows")
    }

    /// How somebody signed in.
    pub fn signed_in_by(&self, by: SignInBy) -> &'static str {
        match by {
            SignInBy::Password => self.in_words("口令", "password"),
            SignInBy::Oidc => self.in_words("统一认证", "identity provider"),
            SignInBy::Certificate => self.in_words("证书", "certificate"),
        }
    }

    /// What the picture beside a key is for.
    pub fn codes_scan(&self) -> &'static str {
        self.in_words(
            "用手机验证器扫描的二维码，内容就是下面的密钥",
            "Code to scan with the authenticator: the key that stands below it",
        )
    }

    /// Somebody is in, and goes on by themselves.
    pub fn inside(&self) -> &'static str {
        self.in_words("已登录", "You are signed in")
    }

    /// Beside an account: others of the same officer.
    pub fn one_person_with(&self, logins: &[&str]) -> String {
        match self.lang {
            Lang::Zh => {
                format!("与账号 {} 的采集人相同：须两人办理的事，这些账号只算一个人。", logins.join("、"))
            }
            Lang::En => format!(
                "The same officer as account {}: where two people must agree, these accounts are one.",
                logins.join(", ")
            ),
        }
    }

    /// Whoever is known there, on the form of an account.
    pub fn account_oidc(&self) -> &'static str {
        self.in_words("统一认证标识（sub）", "Subject at the identity provider")
    }

    /// What to write there.
    pub fn account_oidc_hint(&self) -> &'static str {
        self.in_words(
            "本人用统一认证登录一次，登录页会显示其标识，照抄到这里；姓名和邮箱不能代替。",
            "The sign-in page tells it to whoever comes from the provider without an account; write it here as it stands. Names and e-mail do not count.",
        )
    }

    /// Certificates, on the form of an account.
    pub fn account_certificate(&self) -> &'static str {
        self.in_words("证书指纹（SHA-256）", "Certificates (SHA-256)")
    }

    /// What to write there.
    pub fn account_certificate_hint(&self) -> &'static str {
        self.in_words(
            "64 位十六进制，可带冒号；多张证书用逗号分隔。换证后填写新指纹。",
            "64 hexadecimal digits, with colons or without; several separated by commas. A new certificate has another one.",
        )
    }

    /// By what else an account is known, to its owner.
    pub fn own_identities(&self) -> &'static str {
        self.in_words("除口令外，还可凭以下方式登录", "Besides the password you are let in by")
    }

    /// Came back too late, in another browser, or twice.
    pub fn refused_too_late(&self) -> (&'static str, String) {
        let what = self.in_words("这次登录已失效，请重新开始", "This sign-in does not hold any more; begin again");
        let next = self.in_words(
            "请在同一个浏览器里、10 分钟内从统一认证页面返回；也可以用本站账号和口令登录。",
            "Come back from the identity provider within ten minutes and in the same browser, or sign in with name and password.",
        );
        (what, next.to_owned())
    }

    /// The provider said no.
    pub fn refused_by_provider(&self, word: &str) -> (&'static str, String) {
        let what = self.in_words("统一认证没有放行", "The identity provider did not sign you in");
        let next = match self.lang {
            Lang::Zh => format!("它的答复是 {word}。请重试，或者用本站账号和口令登录。"),
            Lang::En => format!("It says {word}. Try again, or sign in with name and password."),
        };
        (what, next)
    }

    /// The provider is away, or set up wrongly.
    pub fn provider_away(&self, passing: bool) -> (&'static str, String) {
        let what = self.in_words("统一认证暂时用不了", "The identity provider cannot be used now");
        let next = match passing {
            true => self.in_words(
                "请用本站账号和口令登录，或者稍后再试。",
                "Sign in with name and password of this station, or try again later.",
            ),
            false => self.in_words(
                "请用本站账号和口令登录，并告诉系统管理员：原因写在采集站的运行日志里。",
                "Sign in with name and password of this station, and tell the system administrator: the cause stands in the daemon's log.",
            ),
        };
        (what, next.to_owned())
    }

    /// What the provider signed is not believed.
    pub fn provider_not_believed(&self) -> (&'static str, String) {
        let what = self.in_words("统一认证的答复没有通过核验", "The identity provider's answer is not believed");
        let next = self.in_words(
            "请用本站账号和口令登录，并告诉系统管理员：原因写在采集站的运行日志里。",
            "Sign in with name and password of this station, and tell the system administrator: the cause stands in the daemon's log.",
        );
        (what, next.to_owned())
    }

    /// Known there, and bound to nobody here.
    pub fn unbound(&self, identity: &str) -> (&'static str, String) {
        let what = self.in_words("这个身份还没有绑定本站账号", "No account of this station is bound to this identity");
        let next = match self.lang {
            Lang::Zh => format!("请把它告诉安全管理员，由其绑定到您的账号：{identity}"),
            Lang::En => format!("Tell it to the security administrator, who binds it to your account: {identity}"),
        };
        (what, next)
    }

    /// The browser showed no certificate.
    pub fn certificate_none(&self) -> (&'static str, String) {
        let what = self.in_words("浏览器没有出示证书", "The browser showed no certificate");
        let next = self.in_words(
            "插好证书介质，关闭浏览器后重新打开本页并选择证书；也可以用口令登录。",
            "Put the card in, close the browser, open this page again and choose the certificate; or sign in with the password.",
        );
        (what, next.to_owned())
    }

    /// Its time is over, or has not begun.
    pub fn certificate_out_of_time(&self, over: bool) -> (&'static str, String) {
        match over {
            true => (
                self.in_words("证书已过有效期", "The certificate is out of date"),
                self.in_words(
                    "请换发证书，并请安全管理员绑定新证书；其间用口令登录。",
                    "Have a new one made and bound by the security administrator; sign in with the password until then.",
                )
                .to_owned(),
            ),
            false => (
                self.in_words("证书尚未生效", "The certificate is not valid yet"),
                self.in_words(
                    "请核对采集站的时间，或者用口令登录。",
                    "Look at the station's clock, or sign in with the password.",
                )
                .to_owned(),
            ),
        }
    }

    /// Another authority signed it, or it is of no use.
    pub fn certificate_not_ours(&self, foreign: bool) -> (&'static str, String) {
        let what = match foreign {
            true => self
                .in_words("证书不是本单位认可的机构签发的", "The certificate is not of the authority that counts here"),
            false => self.in_words("这张证书不能用来登录", "The certificate cannot be used to sign in"),
        };
        let next = self.in_words("请换一张证书，或者用口令登录。", "Choose another one, or sign in with the password.");
        (what, next.to_owned())
    }
}
