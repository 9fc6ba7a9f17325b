noinst_LTLIBRARIES += src/sse/libff-sse.la
src_sse_libff_sse_la_SOURCES = \
	src/sse/stream.c \
	src/sse/stream.h
