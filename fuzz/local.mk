# Made by script/lists from the files in this folder; do not edit.
#
# Each target <folder>_<what>.c is linked twice, with the library of the folder
# that it is about and those of the floors below: with libFuzzer for script/fuzz,
# and with replay.c, whose program runs the target's corpus in `make check`.

fuzz_targets = \
	fuzz/fuzz_auth_channel \
	fuzz/fuzz_auth_jwks \
	fuzz/fuzz_auth_jwt \
	fuzz/fuzz_auth_keyfile \
	fuzz/fuzz_auth_revoked \
	fuzz/fuzz_base_cidr \
	fuzz/fuzz_conf_env \
	fuzz/fuzz_conf_file \
	fuzz/fuzz_core_grant_json \
	fuzz/fuzz_core_permit \
	fuzz/fuzz_hook_answer \
	fuzz/fuzz_http_access \
	fuzz/fuzz_http_broadcast \
	fuzz/fuzz_http_request \
	fuzz/fuzz_proto_cookie \
	fuzz/fuzz_proto_forwarded \
	fuzz/fuzz_proto_json \
	fuzz/fuzz_proto_name \
	fuzz/fuzz_proto_origin \
	fuzz/fuzz_proto_position \
	fuzz/fuzz_proto_proxyhdr \
	fuzz/fuzz_proto_publish \
	fuzz/fuzz_proto_target \
	fuzz/fuzz_proto_wshandshake \
	fuzz/fuzz_store_import \
	fuzz/fuzz_ws_rx \
	fuzz/fuzz_ws_session

fuzz_replays = \
	fuzz/replay_auth_channel \
	fuzz/replay_auth_jwks \
	fuzz/replay_auth_jwt \
	fuzz/replay_auth_keyfile \
	fuzz/replay_auth_revoked \
	fuzz/replay_base_cidr \
	fuzz/replay_conf_env \
	fuzz/replay_conf_file \
	fuzz/replay_core_grant_json \
	fuzz/replay_core_permit \
	fuzz/replay_hook_answer \
	fuzz/replay_http_access \
	fuzz/replay_http_broadcast \
	fuzz/replay_http_request \
	fuzz/replay_proto_cookie \
	fuzz/replay_proto_forwarded \
	fuzz/replay_proto_json \
	fuzz/replay_proto_name \
	fuzz/replay_proto_origin \
	fuzz/replay_proto_position \
	fuzz/replay_proto_proxyhdr \
	fuzz/replay_proto_publish \
	fuzz/replay_proto_target \
	fuzz/replay_proto_wshandshake \
	fuzz/replay_store_import \
	fuzz/replay_ws_rx \
	fuzz/replay_ws_session

EXTRA_PROGRAMS += $(fuzz_targets)
check_PROGRAMS += $(fuzz_replays)
TESTS += $(fuzz_replays)

# What script/fuzz builds.
fuzz-programs: $(fuzz_targets)
.PHONY: fuzz-programs

# Rigs of the unit tests, with a stand-in for their framework.
fuzz_cppflags = $(AM_CPPFLAGS) -I$(srcdir)/fuzz -I$(srcdir)/tests/unit
fuzz_headers = fuzz/fuzz.h fuzz/criterion/criterion.h

fuzz_fuzz_auth_channel_SOURCES = fuzz/auth_channel.c $(fuzz_headers)
fuzz_fuzz_auth_channel_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_auth_channel_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_auth_channel_LDADD = $(floor_auth)
fuzz_replay_auth_channel_SOURCES = fuzz/auth_channel.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_auth_channel_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_auth_channel_LDADD = $(floor_auth)
fuzz_fuzz_auth_jwks_SOURCES = fuzz/auth_jwks.c $(fuzz_headers)
fuzz_fuzz_auth_jwks_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_auth_jwks_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_auth_jwks_LDADD = $(floor_auth)
fuzz_replay_auth_jwks_SOURCES = fuzz/auth_jwks.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_auth_jwks_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_auth_jwks_LDADD = $(floor_auth)
fuzz_fuzz_auth_jwt_SOURCES = fuzz/auth_jwt.c $(fuzz_headers)
fuzz_fuzz_auth_jwt_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_auth_jwt_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_auth_jwt_LDADD = $(floor_auth)
fuzz_replay_auth_jwt_SOURCES = fuzz/auth_jwt.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_auth_jwt_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_auth_jwt_LDADD = $(floor_auth)
fuzz_fuzz_auth_keyfile_SOURCES = fuzz/auth_keyfile.c $(fuzz_headers)
fuzz_fuzz_auth_keyfile_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_auth_keyfile_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_auth_keyfile_LDADD = $(floor_auth)
fuzz_replay_auth_keyfile_SOURCES = fuzz/auth_keyfile.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_auth_keyfile_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_auth_keyfile_LDADD = $(floor_auth)
fuzz_fuzz_auth_revoked_SOURCES = fuzz/auth_revoked.c $(fuzz_headers)
fuzz_fuzz_auth_revoked_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_auth_revoked_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_auth_revoked_LDADD = $(floor_auth)
fuzz_replay_auth_revoked_SOURCES = fuzz/auth_revoked.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_auth_revoked_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_auth_revoked_LDADD = $(floor_auth)
fuzz_fuzz_base_cidr_SOURCES = fuzz/base_cidr.c $(fuzz_headers)
fuzz_fuzz_base_cidr_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_base_cidr_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_base_cidr_LDADD = $(floor_base)
fuzz_replay_base_cidr_SOURCES = fuzz/base_cidr.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_base_cidr_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_base_cidr_LDADD = $(floor_base)
fuzz_fuzz_conf_env_SOURCES = fuzz/conf_env.c $(fuzz_headers)
fuzz_fuzz_conf_env_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_conf_env_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_conf_env_LDADD = $(floor_conf)
fuzz_replay_conf_env_SOURCES = fuzz/conf_env.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_conf_env_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_conf_env_LDADD = $(floor_conf)
fuzz_fuzz_conf_file_SOURCES = fuzz/conf_file.c $(fuzz_headers)
fuzz_fuzz_conf_file_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_conf_file_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_conf_file_LDADD = $(floor_conf)
fuzz_replay_conf_file_SOURCES = fuzz/conf_file.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_conf_file_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_conf_file_LDADD = $(floor_conf)
fuzz_fuzz_core_grant_json_SOURCES = fuzz/core_grant_json.c $(fuzz_headers)
fuzz_fuzz_core_grant_json_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_core_grant_json_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_core_grant_json_LDADD = $(floor_core)
fuzz_replay_core_grant_json_SOURCES = fuzz/core_grant_json.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_core_grant_json_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_core_grant_json_LDADD = $(floor_core)
fuzz_fuzz_core_permit_SOURCES = fuzz/core_permit.c $(fuzz_headers)
fuzz_fuzz_core_permit_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_core_permit_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_core_permit_LDADD = $(floor_core)
fuzz_replay_core_permit_SOURCES = fuzz/core_permit.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_core_permit_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_core_permit_LDADD = $(floor_core)
fuzz_fuzz_hook_answer_SOURCES = fuzz/hook_answer.c $(fuzz_headers)
fuzz_fuzz_hook_answer_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_hook_answer_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_hook_answer_LDADD = $(floor_hook)
fuzz_replay_hook_answer_SOURCES = fuzz/hook_answer.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_hook_answer_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_hook_answer_LDADD = $(floor_hook)
fuzz_fuzz_http_access_SOURCES = fuzz/http_access.c $(fuzz_headers)
fuzz_fuzz_http_access_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_http_access_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_http_access_LDADD = $(floor_http)
fuzz_replay_http_access_SOURCES = fuzz/http_access.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_http_access_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_http_access_LDADD = $(floor_http)
fuzz_fuzz_http_broadcast_SOURCES = fuzz/http_broadcast.c $(fuzz_headers)
fuzz_fuzz_http_broadcast_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_http_broadcast_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_http_broadcast_LDADD = $(floor_http)
fuzz_replay_http_broadcast_SOURCES = fuzz/http_broadcast.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_http_broadcast_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_http_broadcast_LDADD = $(floor_http)
fuzz_fuzz_http_request_SOURCES = fuzz/http_request.c $(fuzz_headers)
fuzz_fuzz_http_request_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_http_request_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_http_request_LDADD = $(floor_http)
fuzz_replay_http_request_SOURCES = fuzz/http_request.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_http_request_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_http_request_LDADD = $(floor_http)
fuzz_fuzz_proto_cookie_SOURCES = fuzz/proto_cookie.c $(fuzz_headers)
fuzz_fuzz_proto_cookie_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_proto_cookie_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_proto_cookie_LDADD = $(floor_proto)
fuzz_replay_proto_cookie_SOURCES = fuzz/proto_cookie.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_proto_cookie_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_proto_cookie_LDADD = $(floor_proto)
fuzz_fuzz_proto_forwarded_SOURCES = fuzz/proto_forwarded.c $(fuzz_headers)
fuzz_fuzz_proto_forwarded_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_proto_forwarded_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_proto_forwarded_LDADD = $(floor_proto)
fuzz_replay_proto_forwarded_SOURCES = fuzz/proto_forwarded.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_proto_forwarded_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_proto_forwarded_LDADD = $(floor_proto)
fuzz_fuzz_proto_json_SOURCES = fuzz/proto_json.c $(fuzz_headers)
fuzz_fuzz_proto_json_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_proto_json_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_proto_json_LDADD = $(floor_proto)
fuzz_replay_proto_json_SOURCES = fuzz/proto_json.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_proto_json_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_proto_json_LDADD = $(floor_proto)
fuzz_fuzz_proto_name_SOURCES = fuzz/proto_name.c $(fuzz_headers)
fuzz_fuzz_proto_name_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_proto_name_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_proto_name_LDADD = $(floor_proto)
fuzz_replay_proto_name_SOURCES = fuzz/proto_name.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_proto_name_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_proto_name_LDADD = $(floor_proto)
fuzz_fuzz_proto_origin_SOURCES = fuzz/proto_origin.c $(fuzz_headers)
fuzz_fuzz_proto_origin_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_proto_origin_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_proto_origin_LDADD = $(floor_proto)
fuzz_replay_proto_origin_SOURCES = fuzz/proto_origin.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_proto_origin_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_proto_origin_LDADD = $(floor_proto)
fuzz_fuzz_proto_position_SOURCES = fuzz/proto_position.c $(fuzz_headers)
fuzz_fuzz_proto_position_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_proto_position_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_proto_position_LDADD = $(floor_proto)
fuzz_replay_proto_position_SOURCES = fuzz/proto_position.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_proto_position_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_proto_position_LDADD = $(floor_proto)
fuzz_fuzz_proto_proxyhdr_SOURCES = fuzz/proto_proxyhdr.c $(fuzz_headers)
fuzz_fuzz_proto_proxyhdr_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_proto_proxyhdr_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_proto_proxyhdr_LDADD = $(floor_proto)
fuzz_replay_proto_proxyhdr_SOURCES = fuzz/proto_proxyhdr.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_proto_proxyhdr_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_proto_proxyhdr_LDADD = $(floor_proto)
fuzz_fuzz_proto_publish_SOURCES = fuzz/proto_publish.c $(fuzz_headers)
fuzz_fuzz_proto_publish_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_proto_publish_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_proto_publish_LDADD = $(floor_proto)
fuzz_replay_proto_publish_SOURCES = fuzz/proto_publish.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_proto_publish_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_proto_publish_LDADD = $(floor_proto)
fuzz_fuzz_proto_target_SOURCES = fuzz/proto_target.c $(fuzz_headers)
fuzz_fuzz_proto_target_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_proto_target_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_proto_target_LDADD = $(floor_proto)
fuzz_replay_proto_target_SOURCES = fuzz/proto_target.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_proto_target_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_proto_target_LDADD = $(floor_proto)
fuzz_fuzz_proto_wshandshake_SOURCES = fuzz/proto_wshandshake.c $(fuzz_headers)
fuzz_fuzz_proto_wshandshake_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_proto_wshandshake_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_proto_wshandshake_LDADD = $(floor_proto)
fuzz_replay_proto_wshandshake_SOURCES = fuzz/proto_wshandshake.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_proto_wshandshake_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_proto_wshandshake_LDADD = $(floor_proto)
fuzz_fuzz_store_import_SOURCES = fuzz/store_import.c $(fuzz_headers)
fuzz_fuzz_store_import_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_store_import_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_store_import_LDADD = $(floor_store)
fuzz_replay_store_import_SOURCES = fuzz/store_import.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_store_import_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_store_import_LDADD = $(floor_store)
fuzz_fuzz_ws_rx_SOURCES = fuzz/ws_rx.c $(fuzz_headers)
fuzz_fuzz_ws_rx_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_ws_rx_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_ws_rx_LDADD = $(floor_ws)
fuzz_replay_ws_rx_SOURCES = fuzz/ws_rx.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_ws_rx_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_ws_rx_LDADD = $(floor_ws)
fuzz_fuzz_ws_session_SOURCES = fuzz/ws_session.c $(fuzz_headers)
fuzz_fuzz_ws_session_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_ws_session_CPPFLAGS = $(fuzz_cppflags)
fuzz_fuzz_ws_session_LDADD = $(floor_ws)
fuzz_replay_ws_session_SOURCES = fuzz/ws_session.c fuzz/replay.c $(fuzz_headers)
fuzz_replay_ws_session_CPPFLAGS = $(fuzz_cppflags)
fuzz_replay_ws_session_LDADD = $(floor_ws)
