@echo off
rem Compares every file of this package with its digest, offline, with what Windows brings along. See 4-CHECK.ps1.
chcp 65001 >nul 2>nul
cd /d "%~dp0"
where powershell >nul 2>nul
if errorlevel 1 goto certutil
powershell -NoProfile -ExecutionPolicy Bypass -File "%~dp04-CHECK.ps1"
if errorlevel 3 goto certutil
goto end

:certutil
rem Where PowerShell is not allowed: slower, and files that do not belong here are not seen.
setlocal enabledelayedexpansion
set bad=0
set whole=0
for %%L in (manifest-sha256.txt tagmanifest-sha256.txt) do (
  set lines=0
  for /f "usebackq tokens=1,*" %%A in ("%%L") do (
    set /a lines+=1
    set name=%%B
    rem The tag manifest names both near its end: one that is cut short does not.
    if "!name!"=="manifest-sha256.txt" set /a whole+=1
    if "!name!"=="manifest-sha512.txt" set /a whole+=1
    set name=!name:/=\!
    set found=
    for /f "skip=1 delims=" %%H in ('certutil -hashfile "!name!" SHA256 2^>nul') do if not defined found set found=%%H
    set found=!found: =!
    if /i not "!found!"=="%%A" (
      echo DIFFERS OR MISSING: %%B
      set /a bad+=1
    )
  )
  if !lines!==0 (
    echo MISSING OR EMPTY: %%L
    set /a bad+=1
  )
)
if not !whole!==2 (
  echo CUT SHORT: tagmanifest-sha256.txt
  set /a bad+=1
)
if !bad!==0 (echo EVERY FILE IS THE SAME.) else (echo NOT THE SAME: !bad!)
endlocal

:end
pause
