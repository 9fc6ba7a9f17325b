noinst_LTLIBRARIES += src/conf/libff-conf.la
src_conf_libff_conf_la_SOURCES = \
	src/conf/options.c \
	src/conf/options.def \
	src/conf/options.h \
	src/conf/options_access.c \
	src/conf/options_check.c \
	src/conf/options_check_access.c \
	src/conf/options_file.c \
	src/conf/options_form.c \
	src/conf/options_form.h \
	src/conf/options_form_access.c \
	src/conf/options_history.c \
	src/conf/options_rules.c \
	src/conf/options_rules.h \
	src/conf/options_slow.c \
	src/conf/options_table.c \
	src/conf/options_value.c \
	src/conf/options_value.h \
	src/conf/options_webhook.c
