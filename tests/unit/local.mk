# Made by script/lists from the files in this folder; do not edit.
#
# Each unit test is a program of its own, linked with the library of the
# folder it tests and those of the floors below, so that an upward call does
# not link. Stress programs have their own main, for the thread sanitizer.

unit_tests = \
	tests/unit/test_auth_auth \
	tests/unit/test_auth_channel \
	tests/unit/test_auth_claims \
	tests/unit/test_auth_expiry \
	tests/unit/test_auth_jwk \
	tests/unit/test_auth_jwt \
	tests/unit/test_auth_jwt_header \
	tests/unit/test_auth_jwt_keys \
	tests/unit/test_auth_jwt_nomem \
	tests/unit/test_auth_jwt_rfc \
	tests/unit/test_auth_jwt_sign \
	tests/unit/test_auth_jwt_text \
	tests/unit/test_auth_jwt_time \
	tests/unit/test_auth_keyfile \
	tests/unit/test_auth_keyfile_edit \
	tests/unit/test_auth_nomem \
	tests/unit/test_auth_revoked \
	tests/unit/test_auth_tickets \
	tests/unit/test_base_bucket \
	tests/unit/test_base_cidr \
	tests/unit/test_base_clock \
	tests/unit/test_base_err \
	tests/unit/test_base_intern \
	tests/unit/test_base_log \
	tests/unit/test_base_map \
	tests/unit/test_base_rng \
	tests/unit/test_base_strbuf \
	tests/unit/test_base_suggest \
	tests/unit/test_base_utf8 \
	tests/unit/test_conf_access \
	tests/unit/test_conf_check \
	tests/unit/test_conf_history \
	tests/unit/test_conf_keys \
	tests/unit/test_conf_options \
	tests/unit/test_conf_sources \
	tests/unit/test_conf_webhook \
	tests/unit/test_conf_zeroed \
	tests/unit/test_conn_access \
	tests/unit/test_conn_access_names \
	tests/unit/test_conn_access_nomem \
	tests/unit/test_conn_burst \
	tests/unit/test_conn_clients \
	tests/unit/test_conn_env \
	tests/unit/test_conn_hooks \
	tests/unit/test_conn_identity \
	tests/unit/test_conn_load \
	tests/unit/test_conn_outq \
	tests/unit/test_conn_pace \
	tests/unit/test_conn_peer \
	tests/unit/test_conn_replays \
	tests/unit/test_conn_slow \
	tests/unit/test_conn_slow_bounds \
	tests/unit/test_conn_slow_model \
	tests/unit/test_conn_stream \
	tests/unit/test_conn_tls \
	tests/unit/test_core_acks \
	tests/unit/test_core_acks_model \
	tests/unit/test_core_dedupe \
	tests/unit/test_core_grant \
	tests/unit/test_core_grant_json \
	tests/unit/test_core_history \
	tests/unit/test_core_history_nomem \
	tests/unit/test_core_history_pages \
	tests/unit/test_core_model \
	tests/unit/test_core_nomem \
	tests/unit/test_core_patterns \
	tests/unit/test_core_permit \
	tests/unit/test_core_presence \
	tests/unit/test_core_presence_many \
	tests/unit/test_core_presence_model \
	tests/unit/test_core_presence_nomem \
	tests/unit/test_core_presence_users \
	tests/unit/test_core_reads \
	tests/unit/test_core_reads_model \
	tests/unit/test_core_reads_nomem \
	tests/unit/test_core_replay \
	tests/unit/test_core_replay_model \
	tests/unit/test_core_router \
	tests/unit/test_core_seqlog \
	tests/unit/test_core_store \
	tests/unit/test_core_store_log \
	tests/unit/test_core_subscribe \
	tests/unit/test_core_subscribe_model \
	tests/unit/test_core_typing \
	tests/unit/test_core_unacked \
	tests/unit/test_hook_failing \
	tests/unit/test_hook_hook \
	tests/unit/test_hook_nomem \
	tests/unit/test_hook_parts \
	tests/unit/test_hook_webhook \
	tests/unit/test_hook_webhook_nomem \
	tests/unit/test_http_acks \
	tests/unit/test_http_broadcast \
	tests/unit/test_http_client_publish \
	tests/unit/test_http_commit \
	tests/unit/test_http_guard \
	tests/unit/test_http_history \
	tests/unit/test_http_limits \
	tests/unit/test_http_nomem \
	tests/unit/test_http_once \
	tests/unit/test_http_people \
	tests/unit/test_http_positions \
	tests/unit/test_http_pressure \
	tests/unit/test_http_rates \
	tests/unit/test_http_routes \
	tests/unit/test_http_selftest \
	tests/unit/test_http_streams \
	tests/unit/test_http_throttle \
	tests/unit/test_http_throttle_nomem \
	tests/unit/test_lib_application \
	tests/unit/test_lib_events \
	tests/unit/test_lib_life \
	tests/unit/test_lib_options \
	tests/unit/test_lib_publish \
	tests/unit/test_lib_running \
	tests/unit/test_lib_tools \
	tests/unit/test_lib_webhooks \
	tests/unit/test_proto_control \
	tests/unit/test_proto_cookie \
	tests/unit/test_proto_cursor \
	tests/unit/test_proto_forwarded \
	tests/unit/test_proto_frame \
	tests/unit/test_proto_json \
	tests/unit/test_proto_name \
	tests/unit/test_proto_nomem \
	tests/unit/test_proto_origin \
	tests/unit/test_proto_position \
	tests/unit/test_proto_problem \
	tests/unit/test_proto_proxyhdr \
	tests/unit/test_proto_publish \
	tests/unit/test_proto_publish_client \
	tests/unit/test_proto_publish_hash \
	tests/unit/test_proto_sse \
	tests/unit/test_proto_target \
	tests/unit/test_proto_wsframe \
	tests/unit/test_proto_wshandshake \
	tests/unit/test_rt_busy \
	tests/unit/test_rt_mailbox \
	tests/unit/test_rt_reactor \
	tests/unit/test_rt_wheel \
	tests/unit/test_sse_access \
	tests/unit/test_sse_stream \
	tests/unit/test_stat_metrics \
	tests/unit/test_store_failure \
	tests/unit/test_store_life \
	tests/unit/test_store_lost \
	tests/unit/test_store_nomem \
	tests/unit/test_store_open \
	tests/unit/test_store_power \
	tests/unit/test_store_reads \
	tests/unit/test_store_sweep \
	tests/unit/test_store_tools \
	tests/unit/test_store_writer \
	tests/unit/test_tls_ctx \
	tests/unit/test_tls_nomem \
	tests/unit/test_tls_session \
	tests/unit/test_ws_ops \
	tests/unit/test_ws_people \
	tests/unit/test_ws_positions \
	tests/unit/test_ws_rx \
	tests/unit/test_ws_session \
	tests/unit/test_ws_token

stress_tests = \
	tests/unit/stress_auth_auth \
	tests/unit/stress_base_log \
	tests/unit/stress_core_people \
	tests/unit/stress_core_presence \
	tests/unit/stress_core_replay \
	tests/unit/stress_core_router \
	tests/unit/stress_hook_hook \
	tests/unit/stress_hook_webhook \
	tests/unit/stress_http_rates \
	tests/unit/stress_rt_mailbox \
	tests/unit/stress_store_writer

EXTRA_PROGRAMS += $(stress_tests)
if WITH_TESTS
check_PROGRAMS += $(unit_tests) $(stress_tests)
TESTS += $(unit_tests) $(stress_tests)
endif

# Unit tests and the fuzz targets' corpora only, for builds with sanitizers.
check-unit:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(unit_tests) $(stress_tests) $(fuzz_replays)'
# What the thread sanitizer runs: it cannot live with Criterion.
check-stress: $(stress_tests)
	@for t in $(stress_tests); do \
	  echo "stress: $$t"; ./$$t || exit 1; \
	done
.PHONY: check-unit check-stress

tests_unit_test_auth_auth_SOURCES = tests/unit/test_auth_auth.c
tests_unit_test_auth_auth_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_auth_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_channel_SOURCES = tests/unit/test_auth_channel.c
tests_unit_test_auth_channel_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_channel_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_claims_SOURCES = tests/unit/test_auth_claims.c
tests_unit_test_auth_claims_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_claims_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_expiry_SOURCES = tests/unit/test_auth_expiry.c
tests_unit_test_auth_expiry_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_expiry_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_jwk_SOURCES = tests/unit/test_auth_jwk.c
tests_unit_test_auth_jwk_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_jwk_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_jwt_SOURCES = tests/unit/test_auth_jwt.c
tests_unit_test_auth_jwt_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_jwt_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_jwt_header_SOURCES = tests/unit/test_auth_jwt_header.c
tests_unit_test_auth_jwt_header_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_jwt_header_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_jwt_keys_SOURCES = tests/unit/test_auth_jwt_keys.c
tests_unit_test_auth_jwt_keys_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_jwt_keys_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_jwt_nomem_SOURCES = tests/unit/test_auth_jwt_nomem.c
tests_unit_test_auth_jwt_nomem_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_jwt_nomem_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_jwt_rfc_SOURCES = tests/unit/test_auth_jwt_rfc.c
tests_unit_test_auth_jwt_rfc_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_jwt_rfc_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_jwt_sign_SOURCES = tests/unit/test_auth_jwt_sign.c
tests_unit_test_auth_jwt_sign_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_jwt_sign_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_jwt_text_SOURCES = tests/unit/test_auth_jwt_text.c
tests_unit_test_auth_jwt_text_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_jwt_text_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_jwt_time_SOURCES = tests/unit/test_auth_jwt_time.c
tests_unit_test_auth_jwt_time_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_jwt_time_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_keyfile_SOURCES = tests/unit/test_auth_keyfile.c
tests_unit_test_auth_keyfile_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_keyfile_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_keyfile_edit_SOURCES = tests/unit/test_auth_keyfile_edit.c
tests_unit_test_auth_keyfile_edit_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_keyfile_edit_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_nomem_SOURCES = tests/unit/test_auth_nomem.c
tests_unit_test_auth_nomem_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_nomem_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_revoked_SOURCES = tests/unit/test_auth_revoked.c
tests_unit_test_auth_revoked_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_revoked_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_auth_tickets_SOURCES = tests/unit/test_auth_tickets.c
tests_unit_test_auth_tickets_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_auth_tickets_LDADD = $(floor_auth) $(CRITERION_LIBS)
tests_unit_test_base_bucket_SOURCES = tests/unit/test_base_bucket.c
tests_unit_test_base_bucket_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_base_bucket_LDADD = $(floor_base) $(CRITERION_LIBS)
tests_unit_test_base_cidr_SOURCES = tests/unit/test_base_cidr.c
tests_unit_test_base_cidr_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_base_cidr_LDADD = $(floor_base) $(CRITERION_LIBS)
tests_unit_test_base_clock_SOURCES = tests/unit/test_base_clock.c
tests_unit_test_base_clock_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_base_clock_LDADD = $(floor_base) $(CRITERION_LIBS)
tests_unit_test_base_err_SOURCES = tests/unit/test_base_err.c
tests_unit_test_base_err_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_base_err_LDADD = $(floor_base) $(CRITERION_LIBS)
tests_unit_test_base_intern_SOURCES = tests/unit/test_base_intern.c
tests_unit_test_base_intern_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_base_intern_LDADD = $(floor_base) $(CRITERION_LIBS)
tests_unit_test_base_log_SOURCES = tests/unit/test_base_log.c
tests_unit_test_base_log_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_base_log_LDADD = $(floor_base) $(CRITERION_LIBS)
tests_unit_test_base_map_SOURCES = tests/unit/test_base_map.c
tests_unit_test_base_map_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_base_map_LDADD = $(floor_base) $(CRITERION_LIBS)
tests_unit_test_base_rng_SOURCES = tests/unit/test_base_rng.c
tests_unit_test_base_rng_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_base_rng_LDADD = $(floor_base) $(CRITERION_LIBS)
tests_unit_test_base_strbuf_SOURCES = tests/unit/test_base_strbuf.c
tests_unit_test_base_strbuf_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_base_strbuf_LDADD = $(floor_base) $(CRITERION_LIBS)
tests_unit_test_base_suggest_SOURCES = tests/unit/test_base_suggest.c
tests_unit_test_base_suggest_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_base_suggest_LDADD = $(floor_base) $(CRITERION_LIBS)
tests_unit_test_base_utf8_SOURCES = tests/unit/test_base_utf8.c
tests_unit_test_base_utf8_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_base_utf8_LDADD = $(floor_base) $(CRITERION_LIBS)
tests_unit_test_conf_access_SOURCES = tests/unit/test_conf_access.c
tests_unit_test_conf_access_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conf_access_LDADD = $(floor_conf) $(CRITERION_LIBS)
tests_unit_test_conf_check_SOURCES = tests/unit/test_conf_check.c
tests_unit_test_conf_check_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conf_check_LDADD = $(floor_conf) $(CRITERION_LIBS)
tests_unit_test_conf_history_SOURCES = tests/unit/test_conf_history.c
tests_unit_test_conf_history_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conf_history_LDADD = $(floor_conf) $(CRITERION_LIBS)
tests_unit_test_conf_keys_SOURCES = tests/unit/test_conf_keys.c
tests_unit_test_conf_keys_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conf_keys_LDADD = $(floor_conf) $(CRITERION_LIBS)
tests_unit_test_conf_options_SOURCES = tests/unit/test_conf_options.c
tests_unit_test_conf_options_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conf_options_LDADD = $(floor_conf) $(CRITERION_LIBS)
tests_unit_test_conf_sources_SOURCES = tests/unit/test_conf_sources.c
tests_unit_test_conf_sources_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conf_sources_LDADD = $(floor_conf) $(CRITERION_LIBS)
tests_unit_test_conf_webhook_SOURCES = tests/unit/test_conf_webhook.c
tests_unit_test_conf_webhook_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conf_webhook_LDADD = $(floor_conf) $(CRITERION_LIBS)
tests_unit_test_conf_zeroed_SOURCES = tests/unit/test_conf_zeroed.c
tests_unit_test_conf_zeroed_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conf_zeroed_LDADD = $(floor_conf) $(CRITERION_LIBS)
tests_unit_test_conn_access_SOURCES = tests/unit/test_conn_access.c
tests_unit_test_conn_access_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_access_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_access_names_SOURCES = tests/unit/test_conn_access_names.c
tests_unit_test_conn_access_names_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_access_names_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_access_nomem_SOURCES = tests/unit/test_conn_access_nomem.c
tests_unit_test_conn_access_nomem_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_access_nomem_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_burst_SOURCES = tests/unit/test_conn_burst.c
tests_unit_test_conn_burst_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_burst_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_clients_SOURCES = tests/unit/test_conn_clients.c
tests_unit_test_conn_clients_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_clients_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_env_SOURCES = tests/unit/test_conn_env.c
tests_unit_test_conn_env_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_env_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_hooks_SOURCES = tests/unit/test_conn_hooks.c
tests_unit_test_conn_hooks_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_hooks_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_identity_SOURCES = tests/unit/test_conn_identity.c
tests_unit_test_conn_identity_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_identity_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_load_SOURCES = tests/unit/test_conn_load.c
tests_unit_test_conn_load_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_load_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_outq_SOURCES = tests/unit/test_conn_outq.c
tests_unit_test_conn_outq_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_outq_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_pace_SOURCES = tests/unit/test_conn_pace.c
tests_unit_test_conn_pace_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_pace_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_peer_SOURCES = tests/unit/test_conn_peer.c
tests_unit_test_conn_peer_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_peer_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_replays_SOURCES = tests/unit/test_conn_replays.c
tests_unit_test_conn_replays_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_replays_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_slow_SOURCES = tests/unit/test_conn_slow.c
tests_unit_test_conn_slow_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_slow_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_slow_bounds_SOURCES = tests/unit/test_conn_slow_bounds.c
tests_unit_test_conn_slow_bounds_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_slow_bounds_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_slow_model_SOURCES = tests/unit/test_conn_slow_model.c
tests_unit_test_conn_slow_model_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_slow_model_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_stream_SOURCES = tests/unit/test_conn_stream.c
tests_unit_test_conn_stream_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_stream_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_conn_tls_SOURCES = tests/unit/test_conn_tls.c
tests_unit_test_conn_tls_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_conn_tls_LDADD = $(floor_conn) $(CRITERION_LIBS)
tests_unit_test_core_acks_SOURCES = tests/unit/test_core_acks.c
tests_unit_test_core_acks_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_acks_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_acks_model_SOURCES = tests/unit/test_core_acks_model.c
tests_unit_test_core_acks_model_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_acks_model_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_dedupe_SOURCES = tests/unit/test_core_dedupe.c
tests_unit_test_core_dedupe_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_dedupe_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_grant_SOURCES = tests/unit/test_core_grant.c
tests_unit_test_core_grant_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_grant_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_grant_json_SOURCES = tests/unit/test_core_grant_json.c
tests_unit_test_core_grant_json_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_grant_json_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_history_SOURCES = tests/unit/test_core_history.c
tests_unit_test_core_history_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_history_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_history_nomem_SOURCES = tests/unit/test_core_history_nomem.c
tests_unit_test_core_history_nomem_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_history_nomem_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_history_pages_SOURCES = tests/unit/test_core_history_pages.c
tests_unit_test_core_history_pages_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_history_pages_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_model_SOURCES = tests/unit/test_core_model.c
tests_unit_test_core_model_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_model_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_nomem_SOURCES = tests/unit/test_core_nomem.c
tests_unit_test_core_nomem_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_nomem_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_patterns_SOURCES = tests/unit/test_core_patterns.c
tests_unit_test_core_patterns_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_patterns_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_permit_SOURCES = tests/unit/test_core_permit.c
tests_unit_test_core_permit_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_permit_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_presence_SOURCES = tests/unit/test_core_presence.c
tests_unit_test_core_presence_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_presence_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_presence_many_SOURCES = tests/unit/test_core_presence_many.c
tests_unit_test_core_presence_many_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_presence_many_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_presence_model_SOURCES = tests/unit/test_core_presence_model.c
tests_unit_test_core_presence_model_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_presence_model_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_presence_nomem_SOURCES = tests/unit/test_core_presence_nomem.c
tests_unit_test_core_presence_nomem_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_presence_nomem_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_presence_users_SOURCES = tests/unit/test_core_presence_users.c
tests_unit_test_core_presence_users_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_presence_users_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_reads_SOURCES = tests/unit/test_core_reads.c
tests_unit_test_core_reads_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_reads_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_reads_model_SOURCES = tests/unit/test_core_reads_model.c
tests_unit_test_core_reads_model_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_reads_model_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_reads_nomem_SOURCES = tests/unit/test_core_reads_nomem.c
tests_unit_test_core_reads_nomem_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_reads_nomem_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_replay_SOURCES = tests/unit/test_core_replay.c
tests_unit_test_core_replay_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_replay_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_replay_model_SOURCES = tests/unit/test_core_replay_model.c
tests_unit_test_core_replay_model_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_replay_model_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_router_SOURCES = tests/unit/test_core_router.c
tests_unit_test_core_router_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_router_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_seqlog_SOURCES = tests/unit/test_core_seqlog.c
tests_unit_test_core_seqlog_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_seqlog_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_store_SOURCES = tests/unit/test_core_store.c
tests_unit_test_core_store_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_store_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_store_log_SOURCES = tests/unit/test_core_store_log.c
tests_unit_test_core_store_log_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_store_log_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_subscribe_SOURCES = tests/unit/test_core_subscribe.c
tests_unit_test_core_subscribe_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_subscribe_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_subscribe_model_SOURCES = tests/unit/test_core_subscribe_model.c
tests_unit_test_core_subscribe_model_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_subscribe_model_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_typing_SOURCES = tests/unit/test_core_typing.c
tests_unit_test_core_typing_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_typing_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_core_unacked_SOURCES = tests/unit/test_core_unacked.c
tests_unit_test_core_unacked_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_core_unacked_LDADD = $(floor_core) $(CRITERION_LIBS)
tests_unit_test_hook_failing_SOURCES = tests/unit/test_hook_failing.c
tests_unit_test_hook_failing_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_hook_failing_LDADD = $(floor_hook) $(CRITERION_LIBS)
tests_unit_test_hook_hook_SOURCES = tests/unit/test_hook_hook.c
tests_unit_test_hook_hook_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_hook_hook_LDADD = $(floor_hook) $(CRITERION_LIBS)
tests_unit_test_hook_nomem_SOURCES = tests/unit/test_hook_nomem.c
tests_unit_test_hook_nomem_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_hook_nomem_LDADD = $(floor_hook) $(CRITERION_LIBS)
tests_unit_test_hook_parts_SOURCES = tests/unit/test_hook_parts.c
tests_unit_test_hook_parts_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_hook_parts_LDADD = $(floor_hook) $(CRITERION_LIBS)
tests_unit_test_hook_webhook_SOURCES = tests/unit/test_hook_webhook.c
tests_unit_test_hook_webhook_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_hook_webhook_LDADD = $(floor_hook) $(CRITERION_LIBS)
tests_unit_test_hook_webhook_nomem_SOURCES = tests/unit/test_hook_webhook_nomem.c
tests_unit_test_hook_webhook_nomem_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_hook_webhook_nomem_LDADD = $(floor_hook) $(CRITERION_LIBS)
tests_unit_test_http_acks_SOURCES = tests/unit/test_http_acks.c
tests_unit_test_http_acks_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_acks_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_broadcast_SOURCES = tests/unit/test_http_broadcast.c
tests_unit_test_http_broadcast_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_broadcast_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_client_publish_SOURCES = tests/unit/test_http_client_publish.c
tests_unit_test_http_client_publish_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_client_publish_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_commit_SOURCES = tests/unit/test_http_commit.c
tests_unit_test_http_commit_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_commit_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_guard_SOURCES = tests/unit/test_http_guard.c
tests_unit_test_http_guard_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_guard_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_history_SOURCES = tests/unit/test_http_history.c
tests_unit_test_http_history_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_history_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_limits_SOURCES = tests/unit/test_http_limits.c
tests_unit_test_http_limits_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_limits_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_nomem_SOURCES = tests/unit/test_http_nomem.c
tests_unit_test_http_nomem_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_nomem_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_once_SOURCES = tests/unit/test_http_once.c
tests_unit_test_http_once_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_once_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_people_SOURCES = tests/unit/test_http_people.c
tests_unit_test_http_people_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_people_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_positions_SOURCES = tests/unit/test_http_positions.c
tests_unit_test_http_positions_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_positions_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_pressure_SOURCES = tests/unit/test_http_pressure.c
tests_unit_test_http_pressure_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_pressure_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_rates_SOURCES = tests/unit/test_http_rates.c
tests_unit_test_http_rates_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_rates_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_routes_SOURCES = tests/unit/test_http_routes.c
tests_unit_test_http_routes_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_routes_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_selftest_SOURCES = tests/unit/test_http_selftest.c
tests_unit_test_http_selftest_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_selftest_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_streams_SOURCES = tests/unit/test_http_streams.c
tests_unit_test_http_streams_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_streams_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_throttle_SOURCES = tests/unit/test_http_throttle.c
tests_unit_test_http_throttle_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_throttle_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_http_throttle_nomem_SOURCES = tests/unit/test_http_throttle_nomem.c
tests_unit_test_http_throttle_nomem_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_http_throttle_nomem_LDADD = $(floor_http) $(CRITERION_LIBS)
tests_unit_test_lib_application_SOURCES = tests/unit/test_lib_application.c
tests_unit_test_lib_application_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_lib_application_LDADD = $(floor_lib) $(CRITERION_LIBS)
tests_unit_test_lib_events_SOURCES = tests/unit/test_lib_events.c
tests_unit_test_lib_events_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_lib_events_LDADD = $(floor_lib) $(CRITERION_LIBS)
tests_unit_test_lib_life_SOURCES = tests/unit/test_lib_life.c
tests_unit_test_lib_life_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_lib_life_LDADD = $(floor_lib) $(CRITERION_LIBS)
tests_unit_test_lib_options_SOURCES = tests/unit/test_lib_options.c
tests_unit_test_lib_options_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_lib_options_LDADD = $(floor_lib) $(CRITERION_LIBS)
tests_unit_test_lib_publish_SOURCES = tests/unit/test_lib_publish.c
tests_unit_test_lib_publish_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_lib_publish_LDADD = $(floor_lib) $(CRITERION_LIBS)
tests_unit_test_lib_running_SOURCES = tests/unit/test_lib_running.c
tests_unit_test_lib_running_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_lib_running_LDADD = $(floor_lib) $(CRITERION_LIBS)
tests_unit_test_lib_tools_SOURCES = tests/unit/test_lib_tools.c
tests_unit_test_lib_tools_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_lib_tools_LDADD = $(floor_lib) $(CRITERION_LIBS)
tests_unit_test_lib_webhooks_SOURCES = tests/unit/test_lib_webhooks.c
tests_unit_test_lib_webhooks_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_lib_webhooks_LDADD = $(floor_lib) $(CRITERION_LIBS)
tests_unit_test_proto_control_SOURCES = tests/unit/test_proto_control.c
tests_unit_test_proto_control_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_control_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_cookie_SOURCES = tests/unit/test_proto_cookie.c
tests_unit_test_proto_cookie_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_cookie_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_cursor_SOURCES = tests/unit/test_proto_cursor.c
tests_unit_test_proto_cursor_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_cursor_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_forwarded_SOURCES = tests/unit/test_proto_forwarded.c
tests_unit_test_proto_forwarded_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_forwarded_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_frame_SOURCES = tests/unit/test_proto_frame.c
tests_unit_test_proto_frame_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_frame_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_json_SOURCES = tests/unit/test_proto_json.c
tests_unit_test_proto_json_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_json_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_name_SOURCES = tests/unit/test_proto_name.c
tests_unit_test_proto_name_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_name_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_nomem_SOURCES = tests/unit/test_proto_nomem.c
tests_unit_test_proto_nomem_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_nomem_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_origin_SOURCES = tests/unit/test_proto_origin.c
tests_unit_test_proto_origin_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_origin_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_position_SOURCES = tests/unit/test_proto_position.c
tests_unit_test_proto_position_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_position_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_problem_SOURCES = tests/unit/test_proto_problem.c
tests_unit_test_proto_problem_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_problem_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_proxyhdr_SOURCES = tests/unit/test_proto_proxyhdr.c
tests_unit_test_proto_proxyhdr_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_proxyhdr_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_publish_SOURCES = tests/unit/test_proto_publish.c
tests_unit_test_proto_publish_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_publish_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_publish_client_SOURCES = tests/unit/test_proto_publish_client.c
tests_unit_test_proto_publish_client_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_publish_client_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_publish_hash_SOURCES = tests/unit/test_proto_publish_hash.c
tests_unit_test_proto_publish_hash_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_publish_hash_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_sse_SOURCES = tests/unit/test_proto_sse.c
tests_unit_test_proto_sse_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_sse_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_target_SOURCES = tests/unit/test_proto_target.c
tests_unit_test_proto_target_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_target_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_wsframe_SOURCES = tests/unit/test_proto_wsframe.c
tests_unit_test_proto_wsframe_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_wsframe_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_proto_wshandshake_SOURCES = tests/unit/test_proto_wshandshake.c
tests_unit_test_proto_wshandshake_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_proto_wshandshake_LDADD = $(floor_proto) $(CRITERION_LIBS)
tests_unit_test_rt_busy_SOURCES = tests/unit/test_rt_busy.c
tests_unit_test_rt_busy_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_rt_busy_LDADD = $(floor_rt) $(CRITERION_LIBS)
tests_unit_test_rt_mailbox_SOURCES = tests/unit/test_rt_mailbox.c
tests_unit_test_rt_mailbox_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_rt_mailbox_LDADD = $(floor_rt) $(CRITERION_LIBS)
tests_unit_test_rt_reactor_SOURCES = tests/unit/test_rt_reactor.c
tests_unit_test_rt_reactor_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_rt_reactor_LDADD = $(floor_rt) $(CRITERION_LIBS)
tests_unit_test_rt_wheel_SOURCES = tests/unit/test_rt_wheel.c
tests_unit_test_rt_wheel_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_rt_wheel_LDADD = $(floor_rt) $(CRITERION_LIBS)
tests_unit_test_sse_access_SOURCES = tests/unit/test_sse_access.c
tests_unit_test_sse_access_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_sse_access_LDADD = $(floor_sse) $(CRITERION_LIBS)
tests_unit_test_sse_stream_SOURCES = tests/unit/test_sse_stream.c
tests_unit_test_sse_stream_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_sse_stream_LDADD = $(floor_sse) $(CRITERION_LIBS)
tests_unit_test_stat_metrics_SOURCES = tests/unit/test_stat_metrics.c
tests_unit_test_stat_metrics_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_stat_metrics_LDADD = $(floor_stat) $(CRITERION_LIBS)
tests_unit_test_store_failure_SOURCES = tests/unit/test_store_failure.c
tests_unit_test_store_failure_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_store_failure_LDADD = $(floor_store) $(CRITERION_LIBS)
tests_unit_test_store_life_SOURCES = tests/unit/test_store_life.c
tests_unit_test_store_life_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_store_life_LDADD = $(floor_store) $(CRITERION_LIBS)
tests_unit_test_store_lost_SOURCES = tests/unit/test_store_lost.c
tests_unit_test_store_lost_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_store_lost_LDADD = $(floor_store) $(CRITERION_LIBS)
tests_unit_test_store_nomem_SOURCES = tests/unit/test_store_nomem.c
tests_unit_test_store_nomem_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_store_nomem_LDADD = $(floor_store) $(CRITERION_LIBS)
tests_unit_test_store_open_SOURCES = tests/unit/test_store_open.c
tests_unit_test_store_open_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_store_open_LDADD = $(floor_store) $(CRITERION_LIBS)
tests_unit_test_store_power_SOURCES = tests/unit/test_store_power.c
tests_unit_test_store_power_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_store_power_LDADD = $(floor_store) $(CRITERION_LIBS)
tests_unit_test_store_reads_SOURCES = tests/unit/test_store_reads.c
tests_unit_test_store_reads_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_store_reads_LDADD = $(floor_store) $(CRITERION_LIBS)
tests_unit_test_store_sweep_SOURCES = tests/unit/test_store_sweep.c
tests_unit_test_store_sweep_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_store_sweep_LDADD = $(floor_store) $(CRITERION_LIBS)
tests_unit_test_store_tools_SOURCES = tests/unit/test_store_tools.c
tests_unit_test_store_tools_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_store_tools_LDADD = $(floor_store) $(CRITERION_LIBS)
tests_unit_test_store_writer_SOURCES = tests/unit/test_store_writer.c
tests_unit_test_store_writer_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_store_writer_LDADD = $(floor_store) $(CRITERION_LIBS)
tests_unit_test_tls_ctx_SOURCES = tests/unit/test_tls_ctx.c
tests_unit_test_tls_ctx_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_tls_ctx_LDADD = $(floor_tls) $(CRITERION_LIBS)
tests_unit_test_tls_nomem_SOURCES = tests/unit/test_tls_nomem.c
tests_unit_test_tls_nomem_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_tls_nomem_LDADD = $(floor_tls) $(CRITERION_LIBS)
tests_unit_test_tls_session_SOURCES = tests/unit/test_tls_session.c
tests_unit_test_tls_session_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_tls_session_LDADD = $(floor_tls) $(CRITERION_LIBS)
tests_unit_test_ws_ops_SOURCES = tests/unit/test_ws_ops.c
tests_unit_test_ws_ops_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_ws_ops_LDADD = $(floor_ws) $(CRITERION_LIBS)
tests_unit_test_ws_people_SOURCES = tests/unit/test_ws_people.c
tests_unit_test_ws_people_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_ws_people_LDADD = $(floor_ws) $(CRITERION_LIBS)
tests_unit_test_ws_positions_SOURCES = tests/unit/test_ws_positions.c
tests_unit_test_ws_positions_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_ws_positions_LDADD = $(floor_ws) $(CRITERION_LIBS)
tests_unit_test_ws_rx_SOURCES = tests/unit/test_ws_rx.c
tests_unit_test_ws_rx_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_ws_rx_LDADD = $(floor_ws) $(CRITERION_LIBS)
tests_unit_test_ws_session_SOURCES = tests/unit/test_ws_session.c
tests_unit_test_ws_session_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_ws_session_LDADD = $(floor_ws) $(CRITERION_LIBS)
tests_unit_test_ws_token_SOURCES = tests/unit/test_ws_token.c
tests_unit_test_ws_token_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_unit_test_ws_token_LDADD = $(floor_ws) $(CRITERION_LIBS)
tests_unit_stress_auth_auth_SOURCES = tests/unit/stress_auth_auth.c
tests_unit_stress_auth_auth_LDADD = $(floor_auth)
tests_unit_stress_base_log_SOURCES = tests/unit/stress_base_log.c
tests_unit_stress_base_log_LDADD = $(floor_base)
tests_unit_stress_core_people_SOURCES = tests/unit/stress_core_people.c
tests_unit_stress_core_people_LDADD = $(floor_core)
tests_unit_stress_core_presence_SOURCES = tests/unit/stress_core_presence.c
tests_unit_stress_core_presence_LDADD = $(floor_core)
tests_unit_stress_core_replay_SOURCES = tests/unit/stress_core_replay.c
tests_unit_stress_core_replay_LDADD = $(floor_core)
tests_unit_stress_core_router_SOURCES = tests/unit/stress_core_router.c
tests_unit_stress_core_router_LDADD = $(floor_core)
tests_unit_stress_hook_hook_SOURCES = tests/unit/stress_hook_hook.c
tests_unit_stress_hook_hook_LDADD = $(floor_hook)
tests_unit_stress_hook_webhook_SOURCES = tests/unit/stress_hook_webhook.c
tests_unit_stress_hook_webhook_LDADD = $(floor_hook)
tests_unit_stress_http_rates_SOURCES = tests/unit/stress_http_rates.c
tests_unit_stress_http_rates_LDADD = $(floor_http)
tests_unit_stress_rt_mailbox_SOURCES = tests/unit/stress_rt_mailbox.c
tests_unit_stress_rt_mailbox_LDADD = $(floor_rt)
tests_unit_stress_store_writer_SOURCES = tests/unit/stress_store_writer.c
tests_unit_stress_store_writer_LDADD = $(floor_store)
