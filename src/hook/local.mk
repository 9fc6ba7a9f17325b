noinst_LTLIBRARIES += src/hook/libff-hook.la
src_hook_libff_hook_la_SOURCES = \
	src/hook/answer.c \
	src/hook/breaker.c \
	src/hook/cache.c \
	src/hook/hook.c \
	src/hook/hook.h \
	src/hook/outbox.c \
	src/hook/private.h \
	src/hook/question.c \
	src/hook/share.c \
	src/hook/transfer.c \
	src/hook/webhook.c \
	src/hook/webhook.h \
	src/hook/worker.c
