//! The configuration as it was written: every key optional, nothing resolved, nothing judged but its form.
//!
//! Each section is declared once; its keys and their types are also known as plain data ([`Shape`]), from
//! which unknown keys are told with the nearest right name, and the commented default file is checked.
//! Must not hold a default: those live in `resolve`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What may stand at a place in the file.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Text in quotes.
    Text,
    /// A whole number, not negative.
    Whole,
    /// A list of texts in quotes, `["like", "this"]`.
    Texts,
    /// `true` or `false`.
    Flag,
    /// A section, with its keys.
    Section(&'static [(&'static str, Shape)]),
    /// A section that may stand several times, `[[like this]]`.
    Repeated(&'static [(&'static str, Shape)]),
}

/// A type that can stand in the file.
pub trait Described {
    /// What may stand there.
    const SHAPE: Shape;
}

impl Described for String {
    const SHAPE: Shape = Shape::Text;
}
impl Described for PathBuf {
    const SHAPE: Shape = Shape::Text;
}
impl Described for u64 {
    const SHAPE: Shape = Shape::Whole;
}
impl Described for bool {
    const SHAPE: Shape = Shape::Flag;
}
impl<T: Described> Described for Vec<T> {
    const SHAPE: Shape = match T::SHAPE {
        Shape::Section(keys) => Shape::Repeated(keys),
        Shape::Text => Shape::Texts,
        other => other,
    };
}

macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident { $($(#[$key_doc:meta])* $key:ident: $type:ty,)+ })+) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$key_doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $key: Option<$type>,)+
        }

        impl Described for $name {
            const SHAPE: Shape = Shape::Section(&[$((stringify!($key), <$type as Described>::SHAPE)),+]);
        }
    )+ };
}

sections! {
    /// The whole file.
    Written {
        /// Who and where this station is.
        station: Station,
        /// Sealed files on the station's disk.
        vault: Vault,
        /// Where footage comes from.
        source: Source,
        /// Cameras that are recorded live.
        stream: Vec<Stream>,
        /// Recorders in the network that are pulled.
        network_recorder: Vec<NetworkRecorder>,
        /// Finding recorders in the network.
        discovery: Discovery,
        /// Looking into media files.
        media: Media,
        /// Facts and case numbers.
        casework: Casework,
        /// The log of everything that happens to a clip.
        custody: Custody,
        /// Documents beside the clips of a case.
        documents: Documents,
        /// Evidence packages.
        export: Export,
        /// Files that are derived of clips.
        derived: Derived,
        /// Where footage goes.
        destination: Vec<Destination>,
        /// When space on recorders is given back.
        erase: Vec<Erase>,
        /// Reading copies again after their proof.
        audit: Audit,
        /// How long copies are locked.
        retention: Retention,
        /// Isolation, filing, disposal.
        keeping: Keeping,
        /// How uploads behave.
        upload: Upload,
        /// Backups of the database.
        backup: Backup,
        /// The page.
        web: Web,
        /// Sign-in.
        access: Access,
        /// Supervision, legal review, reports.
        supervision: Supervision,
        /// Telling people at the bays without a screen.
        feedback: Feedback,
        /// How alarms are told.
        alarm: Alarm,
        /// Programs that are told of what happens to clips and cases.
        webhook: Vec<Webhook>,
        /// How messages to others wait.
        outbox: Outbox,
        /// Files for and from a front-end machine.
        exchange: Exchange,
        /// What the daemon writes about itself.
        log: Log,
        /// The door of the command line.
        control: Control,
    }

    /// `[station]`
    Station {
        /// Name in object keys and in the log; fixed for the life of the station.
        id: String,
        /// Name on the page.
        name: String,
        /// IANA time zone in which times are shown.
        zone: String,
        /// `auto`, `zh-CN` or `en`.
        language: String,
        /// The agency in records.
        agency: String,
        /// Who runs the station, in records.
        operator: String,
        /// Database, keys, vault and socket.
        state_dir: PathBuf,
    }

    /// `[vault]`
    Vault {
        /// Where sealed files stand.
        dir: PathBuf,
        /// Space that intake leaves free, 10^9 bytes.
        reserve_gb: u64,
        /// Durable progress inside a file at least every so many 10^6 bytes.
        checkpoint_mb: u64,
        /// `off`, `space` or `age`.
        evict: String,
        /// So much of the disk is to be free.
        evict_free_percent: u64,
        /// No clip goes before it was here so long.
        evict_keep_days: u64,
        /// age: after so long clips go even while there is room.
        evict_after_days: u64,
        /// `none`, `sampled` or `whole`.
        evict_audit: String,
    }

    /// `[source]`
    Source {
        /// A directory in which each directory is a docked recorder.
        folder: FolderSource,
        /// Recorders on USB.
        usb: UsbSource,
    }

    /// `[source.folder]`
    FolderSource {
        /// The watched directory.
        dir: PathBuf,
        /// Milliseconds between two looks.
        poll_ms: u64,
        /// A file is left until it has not changed for so long.
        still_after_ms: u64,
        /// Recorder profiles of the unit's own.
        profiles_dir: PathBuf,
        /// What an `[[erase]]` allows may be erased in these directories.
        erase: bool,
    }

    /// `[source.usb]`
    UsbSource {
        /// `auto`, `on` or `off`.
        mode: String,
        /// Unix socket of the gatekeeper.
        gatekeeper: PathBuf,
        /// `reader` or `kernel`.
        read: String,
        /// File systems that the reader does not know are mounted by the kernel.
        kernel_mount: bool,
        /// Ports that are bays.
        bay: Vec<UsbBay>,
        /// Recorders that are let in without asking.
        allow: Vec<UsbAllow>,
    }

    /// `[[source.usb.bay]]`
    UsbBay {
        /// What people call it.
        name: String,
        /// The socket, as the kernel names it.
        port: String,
    }

    /// `[[source.usb.allow]]`
    UsbAllow {
        /// `idVendor`, four hexadecimal digits.
        vendor: String,
        /// `idProduct`, four hexadecimal digits.
        product: String,
        /// Pattern of serial numbers.
        serial: String,
        /// Pattern of ports.
        port: String,
    }

    /// `[[stream]]`
    Stream {
        /// Its name.
        name: String,
        /// The room, as people call it.
        room: String,
        /// `rtsp://` or `rtsps://`.
        url: String,
        /// User of the camera.
        user: String,
        /// File that holds the password.
        password_file: PathBuf,
        /// systemd credential that holds the password.
        password_credential: String,
        /// `tcp` or `udp`.
        transport: String,
        /// rtsps: certificates to trust beside the public ones, PEM.
        ca_file: PathBuf,
        /// rtsps: SHA-256 fingerprint of the camera's certificate.
        certificate_sha256: String,
        /// Length of a clip.
        segment_minutes: u64,
        /// A connection over which nothing comes is given up.
        silence_s: u64,
        /// `on_demand`, `always` or `schedule`.
        mode: String,
        /// When, in mode `schedule`.
        schedule: Vec<String>,
    }

    /// `[[network_recorder]]`
    NetworkRecorder {
        /// Its name.
        name: String,
        /// The bay in which it is shown.
        bay: String,
        /// ONVIF device service, or the `rtsp://` or `rtsps://` address of recorded footage.
        url: String,
        /// User of the recorder.
        user: String,
        /// File that holds the password.
        password_file: PathBuf,
        /// systemd credential that holds the password.
        password_credential: String,
        /// https, rtsps: certificates to trust beside the public ones, PEM.
        ca_file: PathBuf,
        /// https, rtsps: SHA-256 fingerprint of the recorder's certificate.
        certificate_sha256: String,
        /// `new`, `on_demand` or `schedule`.
        pull: String,
        /// When, in mode `schedule`.
        schedule: Vec<String>,
        /// Pause between two looks at it.
        every_s: u64,
        /// Length of a clip.
        segment_minutes: u64,
        /// A connection over which nothing comes is given up.
        silence_s: u64,
    }

    /// `[discovery]`
    Discovery {
        /// Networks in which is asked who is there.
        networks: Vec<String>,
        /// How often.
        every_minutes: u64,
    }

    /// `[media]`
    Media {
        /// A worker that takes longer with one file is stopped.
        timeout_s: u64,
        /// Width of the picture made of each clip.
        thumbnail_width_px: u64,
        /// Worker processes.
        workers: u64,
        /// Width of previews of what browsers cannot play.
        preview_width_px: u64,
    }

    /// `[casework]`
    Casework {
        /// File that says who took which recorder out; imported whenever it changes.
        roster: PathBuf,
        /// Place of clips of which nothing better is known.
        default_place: String,
        /// What clips prove of which nothing better is known.
        default_proves: String,
        /// Label of clips of which nothing better is known.
        default_sensitivity: String,
        /// Version of the number rule, raised with every change of the shapes.
        number_rule_version: u64,
        /// Shapes of case numbers beside the built-in ones.
        number_shape: Vec<NumberShape>,
        /// Rules that link clips to cases.
        linking: Linking,
        /// What counts as recorded.
        coverage: CoverageRules,
    }

    /// `[supervision]`
    Supervision {
        /// What is checked of each clip of a random sample.
        checklist: Vec<String>,
        /// What a case file is marked by.
        mark: Vec<MarkItem>,
        /// The unit's own reports.
        form: Vec<ReportForm>,
    }

    /// `[[supervision.mark]]`
    MarkItem {
        /// What is marked.
        item: String,
        /// Points that it may bring.
        points: u64,
    }

    /// `[[supervision.form]]`
    ReportForm {
        /// What people call it.
        name: String,
        /// An .xlsx file with placeholders.
        file: PathBuf,
    }

    /// `[casework.linking]`
    Linking {
        /// From this score on a rule links by itself; below it waits for a person.
        link_score: u64,
        /// Clips of one recorder with longer pauses between them are of two outings.
        outing_gap_minutes: u64,
        /// A case may have been opened so many days after its first clip.
        before_days: u64,
        /// And clips may follow so many days after it was opened.
        after_days: u64,
        /// How near to its address a clip was captured, metres.
        near_m: u64,
        /// Highest score of the desk's word, and of each rule below; 0 switches it off.
        desk: u64,
        /// Roster.
        roster: u64,
        /// A number in a file's name or sidecar.
        tag: u64,
        /// A case that names what it was called before it was opened.
        earlier: u64,
        /// Other clips of the same outing.
        neighbour: u64,
        /// A case of the register: officers, place, party, time.
        register: u64,
        /// Nothing but the position.
        place: u64,
    }

    /// `[casework.coverage]`
    CoverageRules {
        /// A gap of at most this length is none, seconds.
        gap_s: u64,
        /// Footage may come in so long after the matter, hours.
        within_hours: u64,
    }

    /// `[[casework.number_shape]]`
    NumberShape {
        /// Its name, shown with each number that it matched.
        name: String,
        /// Regular expression with named groups over the whole normalised text.
        pattern: String,
        /// How it is shown: text with `{group}`.
        display: String,
        /// How it is matched: text with `{group}`.
        key: String,
        /// `case`, `inspection`, `on_the_spot` or `unfiled`.
        kind: String,
        /// A number of this shape.
        example: String,
    }

    /// `[custody]`
    Custody {
        /// Seconds between two signed checkpoints.
        checkpoint_interval_s: u64,
        /// An authority that stamps them.
        timestamp: Timestamp,
        /// Who signs them beside us.
        witness: Vec<Witness>,
        /// Whose we sign.
        witness_of: Vec<WitnessOf>,
        /// Days for which its objects are locked at destinations.
        lock_days: u64,
        /// SM3 of every clip, with its other digests.
        sm3: bool,
        /// A second signature, SM2.
        sm2: bool,
        /// Name of the credential that is the signing key.
        key_credential: String,
        /// The credential's encrypted file.
        key_sealed_file: PathBuf,
        /// Name of the credential that is the SM2 key.
        sm2_key_credential: String,
        /// That credential's encrypted file.
        sm2_key_sealed_file: PathBuf,
    }

    /// `[export]`
    Export {
        /// Where packages are made on the station.
        dir: PathBuf,
        /// Another person confirms what somebody who signed in asks for.
        second_person: bool,
        /// Days for which a package can be fetched with the browser.
        keep_days: u64,
        /// SM3 beside the other digests.
        sm3: bool,
        /// The typeface of documents.
        font: PathBuf,
    }

    /// `[derived]`
    Derived {
        /// Where they stand.
        dir: PathBuf,
        /// Days for which they are kept.
        keep_days: u64,
        /// Minutes that making one may take.
        timeout_minutes: u64,
        /// Previews say over the picture who looks, and when.
        watermark_previews: bool,
    }

    /// `[custody.timestamp]`
    Timestamp {
        /// Address of an RFC 3161 authority.
        url: String,
        /// Hours between two timestamps.
        every_hours: u64,
        /// https: certificates to trust in place of the public ones, PEM.
        ca_file: PathBuf,
    }

    /// `[[custody.witness]]`
    Witness {
        /// Its name.
        name: String,
        /// Its submission prefix.
        url: String,
        /// Its verifier key.
        key: String,
        /// https: certificates to trust in place of the public ones, PEM.
        ca_file: PathBuf,
    }

    /// `[[custody.witness_of]]`
    WitnessOf {
        /// The log's verifier key.
        key: String,
    }

    /// `[[destination]]`
    Destination {
        /// Its name.
        name: String,
        /// `folder`, `s3`, `tus` or `azure`.
        kind: String,
        /// Whether a clip must be proven there to count as proven.
        required: bool,
        /// Clips above this label are held back.
        max_sensitivity: String,
        /// Parts of one clip under way at the same time.
        parts_in_flight: u64,
        /// Objects are locked for so long when they are complete.
        initial_lock_days: u64,
        /// Whether the entries of the custody log stand there, beside the tiles of its tree.
        log_entries: bool,
        /// Ceilings by the time of day.
        limit: Vec<Limit>,
        /// folder: where objects are written.
        dir: PathBuf,
        /// s3, tus, azure, webdav: address of the service.
        endpoint: String,
        /// sftp, ftp: the server's name or address.
        host: String,
        /// sftp, ftp: its port.
        port: u64,
        /// sftp, ftp, webdav: directory that takes the objects.
        root: String,
        /// sftp: fingerprint of the server's key.
        host_key: String,
        /// ftp: `explicit`, `implicit` or `off`.
        tls: String,
        /// s3: bucket.
        bucket: String,
        /// s3: region.
        region: String,
        /// s3: bucket in the path, not in the host name.
        path_style: bool,
        /// s3: file that holds the access key.
        access_key_file: PathBuf,
        /// s3, azure: file that holds the secret key.
        secret_key_file: PathBuf,
        /// s3: systemd credential that holds the access key.
        access_key_credential: String,
        /// s3, azure: systemd credential that holds the secret key.
        secret_key_credential: String,
        /// azure: container.
        container: String,
        /// azure: account.
        account: String,
        /// tus, sftp, ftp, webdav: user.
        user: String,
        /// tus, sftp, ftp, webdav: file that holds the user's password, for tus without a user a token.
        password_file: PathBuf,
        /// tus, sftp, ftp, webdav: systemd credential that holds the same.
        password_credential: String,
        /// sftp: file that holds our private key.
        private_key_file: PathBuf,
        /// sftp: systemd credential that holds our private key.
        private_key_credential: String,
        /// s3, tus, azure, ftp, webdav: certificates to trust in place of the public ones, PEM.
        ca_file: PathBuf,
        /// s3, tus, azure, webdav: certificate that is shown to servers that ask, PEM.
        client_certificate: PathBuf,
        /// s3, tus, azure, webdav: file that holds its key, PEM.
        client_key_file: PathBuf,
        /// s3, tus, azure, webdav: systemd credential that holds its key.
        client_key_credential: String,
        /// s3, tus, azure, webdav: address of a proxy, or `none`.
        proxy: String,
        /// s3, tus, azure: `auto` or `read_back`.
        proof: String,
        /// s3, azure: `auto`, `off`, `governance` or `compliance`.
        lock: String,
    }

    /// `[[erase]]`
    Erase {
        /// Patterns of recorder ids.
        recorders: Vec<String>,
        /// `anchored` or `proven`.
        proof: String,
        /// Hours to wait after the last proof.
        delay_hours: u64,
        /// Days to wait after a clip was sealed.
        keep_days: u64,
    }

    /// `[documents]`
    Documents {
        /// A folder from which documents are filed by themselves.
        dir: PathBuf,
        /// Longest document, 10^6 bytes.
        max_mb: u64,
    }

    /// `[audit]`
    Audit {
        /// So many per cent of the copies are read again each day, in samples.
        share_percent: u64,
        /// Groups of 16 KiB in a sample.
        groups: u64,
        /// Each copy is read again whole every so many days.
        whole_every_days: u64,
        /// Audits of one destination take no more than this, 10^6 bits a second.
        max_mbit_s: u64,
    }

    /// `[retention]`
    Retention {
        /// A clip that is linked to no case is kept locked for so long after it was sealed.
        unlinked_days: u64,
        /// A renewal locks so far ahead.
        renew_days: u64,
        /// A lock is renewed when no more than this is left of it.
        renew_before_days: u64,
    }

    /// `[keeping]`
    Keeping {
        /// Whom to call about what is suspected classified.
        responsible: String,
        /// 全宗号 of the agency's archive.
        fonds_no: String,
        /// Destinations at which copies of what was disposed of are removed.
        dispose_at: Vec<String>,
        /// To file a case, its clips must have been compared within so many days.
        compared_days: u64,
    }

    /// An entry of `limit`.
    Limit {
        /// From this time of day on, in the station's zone.
        from: String,
        /// Up to this one.
        to: String,
        /// 10^6 bits a second; 0 begins nothing.
        mbit: u64,
    }

    /// `[upload]`
    Upload {
        /// Long clips under way to one destination at the same time.
        clips_in_flight: u64,
        /// Parts go up while their clip is still being copied.
        instant: bool,
        /// Which clip goes first.
        order: Vec<String>,
        /// Ceilings by the time of day, for all destinations together.
        limit: Vec<Limit>,
        /// First pause after a failure.
        retry_min_s: u64,
        /// Longest pause after repeated failures.
        retry_max_s: u64,
    }

    /// `[backup]`
    Backup {
        /// Public age key for which backups are encrypted.
        recipient: String,
        /// Hours between two backups.
        every_hours: u64,
        /// Destinations that get them.
        destinations: Vec<String>,
        /// Of so many days the last backup is kept.
        keep_daily: u64,
        /// Of so many months the last backup is kept.
        keep_monthly: u64,
        /// The log's key is in the backup, too.
        log_key: bool,
    }

    /// `[web]`
    Web {
        /// Address and port.
        listen: String,
        /// Certificate chain, PEM.
        tls_certificate: PathBuf,
        /// Its private key, PEM.
        tls_key: PathBuf,
        /// Host names under which it answers.
        names: Vec<String>,
        /// Who signs the certificates of people, PEM.
        client_ca_file: PathBuf,
    }

    /// `[access]`
    Access {
        /// A session in which nothing was asked for so long is over.
        idle_minutes: u64,
        /// No session goes on for longer.
        longest_hours: u64,
        /// An identity provider.
        oidc: Oidc,
    }

    /// `[access.oidc]`
    Oidc {
        /// The provider, as it calls itself.
        issuer: String,
        /// The name under which it knows the station.
        client_id: String,
        /// The station's secret there.
        client_secret_file: PathBuf,
        /// Whom to trust instead of the system's certificates, PEM.
        ca_file: PathBuf,
        /// What is asked for.
        scopes: Vec<String>,
        /// Words on the button.
        label: String,
    }

    /// `[feedback]`
    Feedback {
        /// Program and arguments that are run for each event.
        hook: Vec<String>,
        /// It is ended when it takes longer.
        hook_timeout_s: u64,
        /// Events that may wait for it.
        hook_queue: u64,
        /// Where the kernel shows its LEDs.
        led_dir: PathBuf,
        /// Lamps at bays.
        lamp: Vec<Lamp>,
    }

    /// `[[feedback.lamp]]`
    Lamp {
        /// The bay.
        bay: String,
        /// One LED for everything.
        led: String,
        /// LED that blinks while a recorder is copied.
        busy: String,
        /// LED that is lit while a recorder may be taken.
        safe: String,
        /// LED that blinks fast when someone must act.
        trouble: String,
    }

    /// `[alarm]`
    Alarm {
        /// An alarm is told once it has stood for so long.
        tell_after_s: u64,
        /// It is over once it was away for so long.
        over_after_s: u64,
        /// It is told again so often.
        repeat_hours: u64,
        /// Programs that are told.
        webhook: Vec<AlarmWebhook>,
        /// People who are told.
        mail: AlarmMail,
    }

    /// `[[alarm.webhook]]`
    AlarmWebhook {
        /// Its name.
        name: String,
        /// Where messages go.
        url: String,
        /// File that holds what they are signed with.
        secret_file: PathBuf,
        /// systemd credential that holds it.
        secret_credential: String,
        /// https: certificates to trust in place of the public ones, PEM.
        ca_file: PathBuf,
        /// It must answer within this.
        timeout_s: u64,
        /// Only what matters at least so much.
        min_severity: String,
    }

    /// `[alarm.mail]`
    AlarmMail {
        /// The mail server.
        host: String,
        /// Its port.
        port: u64,
        /// `starttls`, `tls` or `off`.
        tls: String,
        /// Certificates to trust in place of the public ones, PEM.
        ca_file: PathBuf,
        /// Sender.
        from: String,
        /// Recipients.
        to: Vec<String>,
        /// User at the server.
        user: String,
        /// File that holds the password.
        password_file: PathBuf,
        /// Only what matters at least so much.
        min_severity: String,
    }

    /// `[[webhook]]`
    Webhook {
        /// Its name.
        name: String,
        /// Where messages go.
        url: String,
        /// File that holds what they are signed with.
        secret_file: PathBuf,
        /// systemd credential that holds it.
        secret_credential: String,
        /// https: certificates to trust in place of the public ones, PEM.
        ca_file: PathBuf,
        /// It must answer within this.
        timeout_s: u64,
        /// Of what it is told.
        events: Vec<String>,
        /// `ids`, `case_no` or `record`.
        tells: String,
        /// Of clips above this label it gets ids alone.
        max_sensitivity: String,
    }

    /// `[outbox]`
    Outbox {
        /// First pause after a failure.
        retry_min_s: u64,
        /// Longest pause.
        retry_max_s: u64,
        /// A message is given up when it is so old.
        give_up_hours: u64,
        /// So many wait for one receiver at most.
        queue: u64,
    }

    /// `[exchange]`
    Exchange {
        /// Where the other side drops files.
        in_dir: PathBuf,
        /// Seconds between two looks at it.
        poll_s: u64,
        /// Which dropped files are which register.
        take: Vec<Take>,
        /// Where files for the other side are written.
        out_dir: PathBuf,
        /// Minutes between two files of a kind.
        out_every_minutes: u64,
        /// What is written.
        give: Vec<Give>,
    }

    /// `[[exchange.take]]`
    Take {
        /// Pattern of file names.
        files: String,
        /// Which register they are.
        register: String,
        /// `theirs = ours`.
        columns: Vec<String>,
    }

    /// `[[exchange.give]]`
    Give {
        /// Begin of the file's name.
        name: String,
        /// `csv` or `json`.
        format: String,
        /// `theirs = ours`.
        columns: Vec<String>,
        /// Clips above this label are left out.
        max_sensitivity: String,
    }

    /// `[log]`
    Log {
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: String,
        /// `auto`, `journald`, `json` or `text`.
        format: String,
    }

    /// `[control]`
    Control {
        /// Unix socket.
        socket: PathBuf,
    }
}

/// The keys of the whole file.
pub const KEYS: &[(&str, Shape)] = match Written::SHAPE {
    Shape::Section(keys) => keys,
    _ => &[],
};
