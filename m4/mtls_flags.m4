dnl Compiler and linker flags. They go to AM_* variables, never into the user's CFLAGS.
dnl Each flag is tried with -Werror and kept if the compiler takes it.

AC_DEFUN([MTLS_TRY_CFLAG], [
	AS_VAR_PUSHDEF([cache], [mtls_cv_cflag_$1])
	AC_CACHE_CHECK([whether $CC takes $1], [cache], [
		mtls_save="$CFLAGS"
		CFLAGS="$CFLAGS -Werror $1"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[]], [[]])], [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
		CFLAGS="$mtls_save"
	])
	AS_VAR_IF([cache], [yes], [$2="$$2 $1"])
	AS_VAR_POPDEF([cache])
])

AC_DEFUN([AX_MTLS_FLAGS], [
	AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [warnings are errors (for CI)])], [], [enable_werror=no])
	AC_ARG_ENABLE([sanitizers], [AS_HELP_STRING([--enable-sanitizers@<:@=LIST@:>@],
		[build with sanitizers: address,undefined (default of the switch) or thread])],
		[], [enable_sanitizers=no])
	AC_ARG_ENABLE([fuzzing], [AS_HELP_STRING([--enable-fuzzing], [link the fuzz targets with libFuzzer (clang)])],
		[], [enable_fuzzing=no])
	AC_ARG_ENABLE([coverage], [AS_HELP_STRING([--enable-coverage], [instrument for line coverage])],
		[], [enable_coverage=no])

	WARN_CFLAGS= HARDEN_CFLAGS= HARDEN_CPPFLAGS= HARDEN_LDFLAGS= MODULE_LDFLAGS= FUZZ_LDFLAGS=
	m4_foreach_w([flag], [-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
		-Wold-style-definition -Wwrite-strings -Wpointer-arith -Wcast-qual -Wformat=2 -Wundef -Wvla
		-Walloca -Wimplicit-fallthrough -Wnull-dereference -Wconversion -Wno-sign-conversion
		-Wlogical-op -Wduplicated-cond],
		[MTLS_TRY_CFLAG(flag, [WARN_CFLAGS])])
	AS_IF([test "$enable_werror" = yes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
	m4_foreach_w([flag], [-fstack-protector-strong -fstack-clash-protection -fcf-protection
		-ftrivial-auto-var-init=zero -fno-delete-null-pointer-checks -fvisibility=hidden],
		[MTLS_TRY_CFLAG(flag, [HARDEN_CFLAGS])])
	HARDEN_LDFLAGS="-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed"
	MODULE_LDFLAGS="-Wl,-z,nodelete"

	mtls_sanitizers=$enable_sanitizers
	AS_IF([test "$enable_sanitizers" = yes], [mtls_sanitizers=address,undefined])
	AS_IF([test "$mtls_sanitizers" != no], [
		HARDEN_CFLAGS="$HARDEN_CFLAGS -fsanitize=$mtls_sanitizers -fno-sanitize-recover=all -fno-omit-frame-pointer"
		HARDEN_LDFLAGS="$HARDEN_LDFLAGS -fsanitize=$mtls_sanitizers"
	], [
		HARDEN_CPPFLAGS="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"
		HARDEN_LDFLAGS="$HARDEN_LDFLAGS -Wl,-z,defs"
	])
	AC_SUBST([MTLS_SANITIZERS], [$mtls_sanitizers])
	AM_CONDITIONAL([SANITIZERS], [test "$mtls_sanitizers" != no])

	mtls_fuzzing=$enable_fuzzing
	AS_IF([test "$enable_fuzzing" != no], [
		HARDEN_CFLAGS="$HARDEN_CFLAGS -fsanitize=fuzzer-no-link"
		FUZZ_LDFLAGS="-fsanitize=fuzzer"
		AS_IF([test "$mtls_sanitizers" = no], [HARDEN_LDFLAGS=`echo "$HARDEN_LDFLAGS" | sed 's/-Wl,-z,defs//'`])
	])
	AM_CONDITIONAL([FUZZING], [test "$enable_fuzzing" != no])

	mtls_coverage=$enable_coverage
	AS_IF([test "$enable_coverage" != no], [
		HARDEN_CFLAGS="$HARDEN_CFLAGS --coverage"
		HARDEN_LDFLAGS="$HARDEN_LDFLAGS --coverage"
	])
	AC_SUBST([WARN_CFLAGS]) AC_SUBST([HARDEN_CFLAGS]) AC_SUBST([HARDEN_CPPFLAGS])
	AC_SUBST([HARDEN_LDFLAGS]) AC_SUBST([MODULE_LDFLAGS]) AC_SUBST([FUZZ_LDFLAGS])
])
