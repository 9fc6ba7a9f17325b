noinst_LTLIBRARIES += src/rt/libff-rt.la
src_rt_libff_rt_la_SOURCES = \
	src/rt/busy.c \
	src/rt/busy.h \
	src/rt/mailbox.c \
	src/rt/mailbox.h \
	src/rt/reactor.c \
	src/rt/reactor.h \
	src/rt/transport.h \
	src/rt/wheel.c \
	src/rt/wheel.h
