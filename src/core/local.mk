noinst_LTLIBRARIES += src/core/libff-core.la
src_core_libff_core_la_SOURCES = \
	src/core/acks.c \
	src/core/acks.h \
	src/core/dedupe.c \
	src/core/dedupe.h \
	src/core/deliver.c \
	src/core/history.c \
	src/core/history.h \
	src/core/inspect.c \
	src/core/keep.c \
	src/core/member.h \
	src/core/message.c \
	src/core/message.h \
	src/core/patterns.c \
	src/core/patterns.h \
	src/core/ports.h \
	src/core/publish.c \
	src/core/read.c \
	src/core/release.c \
	src/core/replay.c \
	src/core/replay.h \
	src/core/replay_gaps.c \
	src/core/replay_private.h \
	src/core/replay_start.c \
	src/core/router.c \
	src/core/router.h \
	src/core/router_private.h \
	src/core/seqlog.c \
	src/core/seqlog.h \
	src/core/store_port.h \
	src/core/topic.c \
	src/core/topic.h \
	src/core/unacked.c \
	src/core/unacked.h
