noinst_LTLIBRARIES += src/ws/libff-ws.la
src_ws_libff_ws_la_SOURCES = \
	src/ws/acks.c \
	src/ws/acks.h \
	src/ws/asking.c \
	src/ws/asking.h \
	src/ws/later.c \
	src/ws/later.h \
	src/ws/op.c \
	src/ws/op.h \
	src/ws/ops.c \
	src/ws/ops.h \
	src/ws/ops_channel.c \
	src/ws/ops_channel.h \
	src/ws/ops_people.c \
	src/ws/ops_people.h \
	src/ws/reply.c \
	src/ws/reply.h \
	src/ws/rx.c \
	src/ws/rx.h \
	src/ws/session.c \
	src/ws/session.h \
	src/ws/token.c \
	src/ws/token.h
