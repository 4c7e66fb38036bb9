; The installer for Windows: for one user, without administrator's rights.
;
;   makensis -DVERSION=0.1.0 -DROOT=checkout -DFILES=folder -DOUT=InferNet-setup.exe infernet.nsi
;
; FILES holds infernet.exe, WebView2Loader.dll and assets\. Silent: InferNet-setup.exe /S [/D=C:\place], uninstall.exe /S.
; The identity, clips and settings in %APPDATA%\InferNet stay when it is taken off, unless asked for in the uninstaller.

!include MUI2.nsh
!include FileFunc.nsh

; Of 64 bits itself, as the program is.
Target amd64-unicode
SetCompressor /SOLID lzma
ManifestDPIAware true
Name "InferNet"
OutFile "${OUT}"
RequestExecutionLevel user
InstallDir "$LOCALAPPDATA\Programs\InferNet"
InstallDirRegKey HKCU "Software\InferNet" "Folder"

VIProductVersion "${VERSION}.0"
VIAddVersionKey ProductName "InferNet"
VIAddVersionKey FileDescription "InferNet setup"
VIAddVersionKey FileVersion "${VERSION}"
VIAddVersionKey LegalCopyright "The InferNet authors; MIT License"

!define MUI_ICON "${ROOT}/assets/icons/icon.ico"
!define MUI_UNICON "${ROOT}/assets/icons/icon.ico"
!define MUI_ABORTWARNING
!define MUI_FINISHPAGE_RUN "$INSTDIR\infernet.exe"
!define MUI_FINISHPAGE_RUN_TEXT "Open InferNet"
!insertmacro MUI_PAGE_LICENSE "${ROOT}/LICENSE"
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_COMPONENTS
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"

!define RUN "Software\Microsoft\Windows\CurrentVersion\Run"
!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\InferNet"

Section "InferNet" SectionMain
    SectionIn RO
    ; A running one would keep its files: it is asked to end, then the files are replaced.
    nsExec::Exec 'taskkill /IM infernet.exe'
    Pop $0
    Sleep 500
    nsExec::Exec 'taskkill /F /IM infernet.exe'
    Pop $0
    SetOutPath "$INSTDIR"
    File /r "${FILES}/*"
    WriteUninstaller "$INSTDIR\uninstall.exe"
    ; Minimised: the console that the program then does without is not seen.
    CreateShortcut "$SMPROGRAMS\InferNet.lnk" "$INSTDIR\infernet.exe" "desktop" "$INSTDIR\infernet.exe" 0 SW_SHOWMINIMIZED
    WriteRegStr HKCU "Software\InferNet" "Folder" "$INSTDIR"
    ; Links that invite to a network.
    WriteRegStr HKCU "Software\Classes\infernet" "" "URL:InferNet"
    WriteRegStr HKCU "Software\Classes\infernet" "URL Protocol" ""
    WriteRegStr HKCU "Software\Classes\infernet\DefaultIcon" "" "$INSTDIR\infernet.exe,0"
    WriteRegStr HKCU "Software\Classes\infernet\shell\open\command" "" '"$INSTDIR\infernet.exe" "%1"'
    WriteRegStr HKCU "${UNINSTALL}" "DisplayName" "InferNet"
    WriteRegStr HKCU "${UNINSTALL}" "DisplayVersion" "${VERSION}"
    WriteRegStr HKCU "${UNINSTALL}" "Publisher" "The InferNet authors"
    WriteRegStr HKCU "${UNINSTALL}" "DisplayIcon" "$INSTDIR\infernet.exe"
    WriteRegStr HKCU "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
    WriteRegStr HKCU "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
    WriteRegDWORD HKCU "${UNINSTALL}" "NoModify" 1
    WriteRegDWORD HKCU "${UNINSTALL}" "NoRepair" 1
    ${GetSize} "$INSTDIR" "/S=0K" $0 $1 $2
    WriteRegDWORD HKCU "${UNINSTALL}" "EstimatedSize" $0
SectionEnd

Section /o "Start with Windows" SectionRun
    WriteRegStr HKCU "${RUN}" "InferNet" '"$INSTDIR\infernet.exe" desktop --background'
SectionEnd

!insertmacro MUI_FUNCTION_DESCRIPTION_BEGIN
    !insertmacro MUI_DESCRIPTION_TEXT ${SectionMain} "The program and the starter model."
    !insertmacro MUI_DESCRIPTION_TEXT ${SectionRun} "InferNet waits in the tray after you sign in. It can also be switched in its settings."
!insertmacro MUI_FUNCTION_DESCRIPTION_END

Section "un.InferNet" SectionUnMain
    SectionIn RO
    nsExec::Exec 'taskkill /F /IM infernet.exe'
    Pop $0
    Sleep 500
    Delete "$INSTDIR\infernet.exe"
    Delete "$INSTDIR\infernet-worker-cuda.exe"
    Delete "$INSTDIR\*.dll"
    Delete "$INSTDIR\LICENSE.txt"
    RMDir /r "$INSTDIR\assets"
    Delete "$INSTDIR\uninstall.exe"
    ; Only where nothing else lies in it.
    RMDir "$INSTDIR"
    Delete "$SMPROGRAMS\InferNet.lnk"
    DeleteRegValue HKCU "${RUN}" "InferNet"
    DeleteRegKey HKCU "Software\Classes\infernet"
    DeleteRegKey HKCU "Software\InferNet"
    DeleteRegKey HKCU "${UNINSTALL}"
SectionEnd

Section /o "un.My identity, credits and clips (can't be undone)" SectionUnData
    RMDir /r "$APPDATA\InferNet"
SectionEnd
