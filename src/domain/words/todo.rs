//! What to do about a finding of the self-check ([`super::check`]), in both languages.

use crate::domain::sentence::sentences;

sentences! {
    /// What to do. Each variant's documentation is its English.
    Todo else
    /// Nothing needs to be done.
    Nothing;

    // Whoever looks
    RunAsEvidock {} => "请以 root 或 evidock 用户运行", "run this as root or as evidock's user";
    RunAsEvidockToSee {} => "请以 root 或 evidock 用户运行，才能看到程序所见的情况", "run this as root or as evidock's user, to see what the daemon sees";
    RunAsEvidockOrMake {} => "请以 root 或 evidock 用户运行，或者为该用户建立这个目录", "run this as root or as evidock's user, or make the directory for that user";
    SeeDatabase {} => "请看关于数据库的结果", "see the findings about the database";
    SeeWords {} => "请看上述原因；没有作任何改动", "see the words; nothing was changed";
    MadeAtFirstStart {} => "采集站程序首次启动时会自行建立", "the daemon makes it at its first start";
    MadeAtNextStart {} => "采集站程序下次启动时会自行建立", "the daemon makes it at its next start";
    WrittenAtNextStart {} => "采集站程序下次启动时会重新写出", "the daemon writes it again at its next start";
    WrittenIfMissing {} => "如果只是文件缺失，采集站程序下次启动时会重新写出", "the daemon writes it again at its next start, if it is merely missing";
    LoggedAtNextStart {} => "采集站程序下次启动时会登记", "the daemon says so at its next start";
    CaughtUp {} => "采集站程序运行时会自行补上", "the running daemon catches up by itself";

    // Configuration and directories
    PutFileThere {} => "请把文件放到该处，或者改正配置项", "put the file there, or correct the key";
    GiveStateDir {} => "请用 --state 或 [station] state_dir 指定目录", "give a directory with --state or [station] state_dir";
    CloseDirectory { path: String } => "请运行：chmod o= {path}", "chmod o= {path}";

    // The box
    CheckMount {} => "请检查挂载", "check the mount";
    CheckDocks {} => "请检查该目录是否已挂载、evidock 用户是否有读取权限", "check that it is mounted and may be read by evidock's user";
    PutOnExt4 {} => "请把本地存储放在 ext4、xfs 或 btrfs 上", "put the vault on ext4, xfs or btrfs";
    PutOnDisk {} => "请把本地存储放在本机磁盘的 ext4、xfs 或 btrfs 上（[vault] dir）", "put the vault on a local disk with ext4, xfs or btrfs ([vault] dir)";
    FreeSpace {} => "请腾出空间，或调低 [vault] reserve_gb；在此之前不再采集", "free space or lower [vault] reserve_gb; until then nothing is taken in";
    PlanSpace {} => "请规划扩容：到达保留空间时将停止采集", "plan for space: intake stops at the reserve";
    StartUdev {} => "请启动 systemd-udevd，或设置 [source.usb] mode = \"off\"", "start systemd-udevd, or set [source.usb] mode = \"off\"";
    StartGatekeeper {} => "请运行：systemctl enable --now evidock-gatekeeper.socket", "systemctl enable --now evidock-gatekeeper.socket";
    FindBays {} => "evidock doctor bays --watch 可查明各 USB 口是几号采集位，以及应在配置中添加的内容", "`evidock doctor bays --watch` tells which port is which bay, and what to add to the configuration";
    Install { package: String } => "请运行：apt-get install {package}", "apt-get install {package}";
    SeeGStreamer {} => "音像资料照常保存和上传，只是不能解析画面；请看关于媒体组件的结果", "clips are kept and sent all the same, but nobody looks into them; see the findings about GStreamer";
    NewerKernel {} => "需要较新的内核，或者限制较少的容器；在此之前媒体处理的隔离较弱", "a newer kernel, or one less fenced in by a container, has it; media workers are weaker until then";
    PrintThem {} => "其页面仍可在任何浏览器中打印", "their pages can be printed in any browser all the same";
    SetClock {} => "请安装时间同步服务（apt-get install systemd-timesyncd，或 chrony），并保证能连到时间服务器", "apt-get install systemd-timesyncd (or chrony), and let it reach a time server";
    StreamTest { name: String } => "请检查摄像机的电源、地址和网络，再运行 evidock stream test {name}", "check the camera's power, address and network; then `evidock stream test {name}`";
    ReadStreams {} => "资料记录中注明了缺失的部分；各种原因见 docs/streams.md", "its record names the gap; docs/streams.md says what each word means";

    // Database and keys
    StartOnce {} => "请先启动一次采集站程序；如果以前运行过，说明这不是它的状态目录（--state）", "start the daemon once; if it ran before, this is not its state directory (--state)";
    RestoreBackup {} => "请停止 evidock，保留一份该文件，恢复最近的备份；音像资料不受影响", "stop evidock, keep a copy of the file, restore the newest backup; footage is not affected";
    SetStationId { id: String } => "请设置 [station] id = \"{id}\"；采集站编号终身不变", "set [station] id = \"{id}\"; a station keeps its id for life";
    UpgradedAtNextStart {} => "采集站程序下次启动时会自行升级；请保留升级前的备份", "the daemon brings it up to date at its next start; keep a backup from before";
    ReadRestore {} => "怎样重新使用这台机器，见 docs/restore.md", "docs/restore.md says how to use this box again";
    ReportFigures {} => "音像资料及其记录不受影响；请保留一份数据库，并报告 evidock 的维护人员", "clips and records are not affected; keep a copy of the database and report this to whoever maintains evidock";
    SealCredential { path: String } => "应使用 systemd-creds 并加 --with-key=tpm2 或 host 生成 {path}", "{path} should be made by systemd-creds with --with-key=tpm2, or host";
    SealKey {} => "其加密文件应使用 systemd-creds 并加 --with-key=tpm2 或 host 生成", "its encrypted file should be made by systemd-creds with --with-key=tpm2, or host";
    RestoreKey {} => "请从备份恢复密钥；没有它就不能签名日志", "restore the key from the backup; without it checkpoints cannot be signed";
    CloseKey { path: String } => "请运行：chmod 600 {path}；如果已有人读过，请更换密钥", "chmod 600 {path}; replace the key if anybody has read it";
    RestoreOwnKey {} => "请恢复本站自己的密钥，或改正 [station] id", "restore this station's own key, or correct [station] id";
    RestoreSm2 {} => "请从备份恢复密钥；确已丢失时运行 evidock log rotate-key --sm2 --lost", "restore the key from the backup, or, if it is lost, `evidock log rotate-key --sm2 --lost`";

    // The daemon
    Restart {} => "请重新启动", "restart it";
    StartDaemon {} => "请运行 systemctl start evidock，或 evidock run", "systemctl start evidock, or `evidock run`";

    // Destinations
    AddElsewhere {} => "请在别处添加上传目标：S3 存储桶，或另一块盘、NAS 上的文件夹", "add a destination elsewhere: an S3 bucket, or a folder on another disk or a NAS";
    AddKeyed {} => "请添加保存路径的上传目标（S3 存储桶、别处的文件夹），没有这台机器也能找到资料", "add a destination that keeps keys (an S3 bucket, a folder elsewhere), so that its clips are found without this box";
    EncryptFtp {} => "服务器支持时请设置 tls = \"explicit\"，或改用 SFTP", "set tls = \"explicit\" where the server offers it, or use SFTP";
    WriteHttps {} => "服务器支持时请在 endpoint 中使用 https://", "write https:// in endpoint where the server offers it";
    AskHostKey {} => "请向其管理人员索取主机密钥指纹（SHA256:……），填入 host_key", "ask its keeper for the key's fingerprint (SHA256:...) and set host_key to it";
    RetryDestination { name: String } => "请排除上述原因，再运行 evidock retry {name}；连不上的会自动重试", "mend that, then `evidock retry {name}`; what is unreachable is tried again by itself";
    ChooseAnother {} => "资料会停留在“已上传，未校验”；请选用能计算校验值或能读回的存储", "clips stay sent, unproven; choose a store that computes checksums or can be read back";
    TriedAtStart {} => "采集站程序启动时会去连接", "the running daemon tries it at its start";

    // Backups
    MakeBackupKey {} => "请在另一台机器上运行 evidock backup keygen；公钥填入 [backup] recipient，私钥存放在两处安全的地方", "`evidock backup keygen` on another machine; its public half into [backup] recipient, the secret half into two safe places";
    BackupAgain {} => "会自动重试；evidock backup now 可立即重试", "it is tried again by itself; `evidock backup now` tries at once";
    RemoveBackups {} => "请用有删除权限的账号删除 evidock backup list --may-go 列出的备份", "remove what `evidock backup list --may-go` prints, with a key that may delete";
    StartBackup {} => "请启动采集站程序，或运行 evidock backup now", "start the daemon, or `evidock backup now`";
    AskBackup {} => "运行 evidock backup now 可知原因", "`evidock backup now` says why";

    // Clips
    KeepStrays {} => "不会自动删除；如果数据库是从备份恢复的，它们可能是数据库还不知道的资料", "nothing removes them; if the database was put back from a backup, they may be clips that it does not know";
    FindElsewhere {} => "evidock verify CLIP --remote 可查明上传目标处是否还有；请先找到文件，再做其他操作", "`evidock verify CLIP --remote` says whether a destination still has it; look for the file before anything else";
    PutDestinationBack {} => "请把保存这些资料的上传目标加回配置；对被判为不一致的副本，evidock verify CLIP --remote 可重新比对", "put the destination back that holds them; `evidock verify CLIP --remote` compares a copy that was called wrong";
    AddRequired {} => "请添加这样的上传目标，或者等采集站程序连通一次", "add such a destination, or wait until the running daemon has reached it once";
    SentAgain {} => "只要某处还有正确的内容，就会自动补传；请查明上传目标为何没有原样保存", "they are sent again by themselves while good bytes exist anywhere; see that the destination keeps what it is given";
    DecideIsolation {} => "由负责人决定；evidock holds 可查看，evidock lift 解除须两人", "a responsible person decides; `evidock holds` shows them, `evidock lift` takes two people";
    DecidePackage {} => "由负责人决定如何处理该证据包和已交出的部分；谁申请、谁下载见 evidock log show", "a responsible person decides what becomes of it, and of what was handed over; the log has who asked for it and who fetched it (`evidock log show`)";
    ConfirmRelease { hold: String } => "请由另一用户运行 evidock unhold {hold} --confirm", "evidock unhold {hold} --confirm, under another user";
    CheckReceiver {} => "请检查其地址、密钥和证书，再运行 evidock alarm test", "check its address, secret and certificate, then run `evidock alarm test`";
    RebuildIndex {} => "evidock find --rebuild 可重新生成，不影响其他内容", "`evidock find --rebuild` makes it anew; nothing else is affected";
    InstallRelease {} => "请安装正式发布的 evidock", "install evidock as it is released";

    // Accounts
    MakeFirstAccount {} => "evidock user first NAME 可建立安全管理员的账号", "`evidock user first NAME` makes the security administrator's";
    MakeSecurityAdministrator {} => "请运行 evidock user enable，或 evidock user add NAME --role security_administrator", "`evidock user enable`, or `evidock user add NAME --role security_administrator`";
    MakeAuditor {} => "请运行 evidock user add NAME --role auditor", "`evidock user add NAME --role auditor`";
    HaveThemSignIn {} => "请让本人登录修改，或运行 evidock user disable", "have them sign in, or `evidock user disable`";
    MendProvider {} => "在此之前无人能通过统一认证登录，口令登录不受影响", "nobody signs in by the provider until then; passwords go on";
    MendClientCa {} => "页面不能打开；请改正该文件，或去掉 client_ca_file", "the page cannot be served; mend the file or take client_ca_file out";
    RemoveCertificate {} => "请删除它；采集站启动时会另行生成，指纹随之改变", "remove it; the station makes another when it starts, whose fingerprint is a new one";
    GivePem {} => "请提供 PEM 文件，页面自己的证书在最前（[web] tls_certificate）", "give a PEM file, the page's own certificate first ([web] tls_certificate)";
}
