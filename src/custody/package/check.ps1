# Compares every file of this package with its digest, offline, with what Windows brings along (PowerShell 2 and newer).
# 用 Windows 自带的程序核对本包的每个文件，不联网。由 4-CHECK.bat 启动。
# It finds accidents. Who made the package is shown by its signature: evidock import-check.
# Ends with 0 where all is the same, 1 where something is not, 3 where it cannot run.
$ErrorActionPreference = 'Stop'
try {
    $top = Split-Path -Parent $MyInvocation.MyCommand.Path
    $sha256 = New-Object System.Security.Cryptography.SHA256Managed
} catch {
    exit 3
}
$bad = 0
$listed = @{}
foreach ($list in 'manifest-sha256.txt', 'tagmanifest-sha256.txt') {
    $path = Join-Path $top $list
    if (-not [System.IO.File]::Exists($path)) {
        Write-Host "MISSING 缺少: $list" -ForegroundColor Red
        $bad++
        continue
    }
    foreach ($line in [System.IO.File]::ReadAllLines($path, [System.Text.Encoding]::UTF8)) {
        if ($line.Length -lt 67) { continue }
        $wanted = $line.Substring(0, 64)
        $name = $line.Substring(66)
        $listed[$name] = $true
        $file = Join-Path $top $name.Replace('/', '\')
        if (-not [System.IO.File]::Exists($file)) {
            Write-Host "MISSING 缺少: $name" -ForegroundColor Red
            $bad++
            continue
        }
        Write-Progress -Activity 'SHA-256' -Status $name
        try {
            $stream = New-Object System.IO.FileStream($file, 'Open', 'Read', 'Read', 1048576)
            try { $found = [System.BitConverter]::ToString($sha256.ComputeHash($stream)).Replace('-', '').ToLower() }
            finally { $stream.Close() }
        } catch {
            $found = 'unreadable'
        }
        if ($found -ne $wanted) {
            Write-Host "DIFFERS 不一致: $name" -ForegroundColor Red
            $bad++
        }
    }
}
foreach ($file in [System.IO.Directory]::GetFiles($top, '*', 'AllDirectories')) {
    $name = $file.Substring($top.TrimEnd('\').Length + 1).Replace('\', '/')
    if ('tagmanifest-sha256.txt', 'tagmanifest-sha512.txt' -contains $name) { continue }
    if (-not $listed.ContainsKey($name)) {
        Write-Host "NOT PART OF THE PACKAGE 多出: $name" -ForegroundColor Red
        $bad++
    }
}
Write-Host ''
if ($bad -eq 0) {
    Write-Host "EVERY FILE IS THE SAME. 全部文件一致（$($listed.Count)）。" -ForegroundColor Green
    exit 0
}
Write-Host "NOT THE SAME: $bad. 有不一致、缺少或多出的文件。" -ForegroundColor Red
exit 1
