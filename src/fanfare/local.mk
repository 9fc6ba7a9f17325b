bin_PROGRAMS += fanfare
fanfare_SOURCES = \
	src/fanfare/args.c \
	src/fanfare/args.h \
	src/fanfare/complain.c \
	src/fanfare/complain.h \
	src/fanfare/flags.c \
	src/fanfare/flags.h \
	src/fanfare/help.c \
	src/fanfare/key.c \
	src/fanfare/key.h \
	src/fanfare/main.c \
	src/fanfare/store.c \
	src/fanfare/store.h \
	src/fanfare/textfile.c \
	src/fanfare/textfile.h \
	src/fanfare/token.c \
	src/fanfare/token.h \
	src/fanfare/token_check.c \
	src/fanfare/user.c \
	src/fanfare/user.h \
	src/fanfare/when.c \
	src/fanfare/when.h
fanfare_LDADD = $(below_7) $(SYSTEMD_LIBS)
