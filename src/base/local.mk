noinst_LTLIBRARIES += src/base/libff-base.la
src_base_libff_base_la_SOURCES = \
	src/base/bucket.c \
	src/base/bucket.h \
	src/base/cidr.c \
	src/base/cidr.h \
	src/base/clock.c \
	src/base/clock.h \
	src/base/dup.h \
	src/base/err.c \
	src/base/err.h \
	src/base/intern.c \
	src/base/intern.h \
	src/base/log.c \
	src/base/log.h \
	src/base/map.c \
	src/base/map.h \
	src/base/rng.c \
	src/base/rng.h \
	src/base/str.h \
	src/base/strbuf.c \
	src/base/strbuf.h \
	src/base/suggest.c \
	src/base/suggest.h \
	src/base/utf8.c \
	src/base/utf8.h
