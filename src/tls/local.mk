noinst_LTLIBRARIES += src/tls/libff-tls.la
src_tls_libff_tls_la_SOURCES = \
	src/tls/bio.c \
	src/tls/bio.h \
	src/tls/ctx.c \
	src/tls/ctx.h \
	src/tls/ctx_private.h \
	src/tls/openssl.h \
	src/tls/session.c \
	src/tls/session.h
