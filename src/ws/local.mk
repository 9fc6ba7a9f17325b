noinst_LTLIBRARIES += src/ws/libff-ws.la
src_ws_libff_ws_la_SOURCES = \
	src/ws/acks.c \
	src/ws/acks.h \
	src/ws/ops.c \
	src/ws/ops.h \
	src/ws/rx.c \
	src/ws/rx.h \
	src/ws/session.c \
	src/ws/session.h
