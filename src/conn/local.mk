noinst_LTLIBRARIES += src/conn/libff-conn.la
src_conn_libff_conn_la_SOURCES = \
	src/conn/access.c \
	src/conn/access.h \
	src/conn/burst.c \
	src/conn/burst.h \
	src/conn/clients.c \
	src/conn/clients.h \
	src/conn/describe.c \
	src/conn/env.c \
	src/conn/env.h \
	src/conn/flush.c \
	src/conn/gap.c \
	src/conn/gap.h \
	src/conn/greet.c \
	src/conn/identity.c \
	src/conn/lanes.c \
	src/conn/lanes.h \
	src/conn/load.c \
	src/conn/load.h \
	src/conn/names.c \
	src/conn/open.c \
	src/conn/outbuf.c \
	src/conn/outbuf.h \
	src/conn/outq.c \
	src/conn/outq.h \
	src/conn/pace.c \
	src/conn/pace.h \
	src/conn/peer.c \
	src/conn/peer.h \
	src/conn/replays.c \
	src/conn/replays.h \
	src/conn/slow.c \
	src/conn/slow.h \
	src/conn/stream.c \
	src/conn/stream.h \
	src/conn/timers.c
