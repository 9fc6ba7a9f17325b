noinst_LTLIBRARIES += src/core/libff-core.la
src_core_libff_core_la_SOURCES = \
	src/core/inspect.c \
	src/core/member.h \
	src/core/message.h \
	src/core/patterns.c \
	src/core/patterns.h \
	src/core/ports.h \
	src/core/publish.c \
	src/core/router.c \
	src/core/router.h \
	src/core/router_private.h \
	src/core/topic.c \
	src/core/topic.h
