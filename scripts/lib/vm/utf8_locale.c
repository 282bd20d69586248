/* Preloaded into QEMU: its usb-mtp device converts file names with mbstowcs(3), but QEMU never calls setlocale(3), so
 * that every name outside ASCII would be refused as invalid. */
#include <locale.h>

__attribute__((constructor)) static void use_utf8(void) { setlocale(LC_CTYPE, "C.UTF-8"); }
