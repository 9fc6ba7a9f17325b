/* test_auth_jwt_vectors.h - public keys and tokens that Node's crypto made; the private
 * halves are gone. Each token has the kid node-ALG and the claims
 * {"sub":"ada","iat":1700000000,"exp":4102444800}. */
#ifndef FF_TEST_AUTH_JWT_VECTORS_H
#define FF_TEST_AUTH_JWT_VECTORS_H

#define NODE_SECRET "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"

static const char NODE_RSA[] = "-----BEGIN PUBLIC KEY-----\n"
                               "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu5FinfbtfA81avlQE28s\n"
                               "jY6Zj8ZENmXKK+g4635qnpxufhqKEAQhx7RWS2PnUN1lyyEdThusJC4TttuKMxV0\n"
                               "KJ7yh0RpWKSPzisbC8mvb7SEx+gNpkSLoHQXmwj8En+VUAuk4MWcjZZwL9hwQr4L\n"
                               "7+Nmg8xnSqFqFpEKWxd2iUS0wd1ic/0QUJLQFH2lYm67JrcIicrzXw1Y0td9+EkJ\n"
                               "WnpY2l55Yrf0ee99NZdOeSQo4pevhVHC6PV5Gl8Rekd9+cJEmojjjUTEoysO+g02\n"
                               "SB5rsIoVmmPomJUfV9ljnUubb+evBYeI4SROwKgvRJOwu7jWrM/WC/S+VFYg1Ayc\n"
                               "aQIDAQAB\n"
                               "-----END PUBLIC KEY-----\n";
static const char NODE_P256[] = "-----BEGIN PUBLIC KEY-----\n"
                                "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEOqOfpZ+DpzOxG/xtOvq5XuCW/KCR\n"
                                "fs+XunkOlxv5zL16eYGeHtn0419QLxs+jGdU2f7EoWo9LQ7OyiMWImmM+w==\n"
                                "-----END PUBLIC KEY-----\n";
static const char NODE_P384[] = "-----BEGIN PUBLIC KEY-----\n"
                                "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAENzPbegDbOnKJs1XudsEZGhWMkEhtQ6Hk\n"
                                "dRlxQCiJmAn5hWgQC5deCcOfmyzajb1vRkPFMZFF/VvCkRhG+QvVAPbArChf6vzs\n"
                                "Wz6e2BImTiMb6SVMLRI+IJ4Q6/gmOQen\n"
                                "-----END PUBLIC KEY-----\n";
static const char NODE_P521[] = "-----BEGIN PUBLIC KEY-----\n"
                                "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBUdlQH20OfCC22UhksSx+vrTPk2J6\n"
                                "6wOZ3etvhAIanDF6pPeQ4XWmx7vAnqMHOsUZKS+cjIZrs09VSC/fAnZrVWsBWoeu\n"
                                "PZfrzOQKTTSl2RYnwpipJh8RQWu7U7RZo45HnE4PB9jE5e7WmH/jt5/AC2pNFXlo\n"
                                "XaRGMjf19kmpHq+hALQ=\n"
                                "-----END PUBLIC KEY-----\n";
static const char NODE_ED25519[] = "-----BEGIN PUBLIC KEY-----\n"
                                   "MCowBQYDK2VwAyEAYHnFLNGWzNflAjrgOctq3LPgvEFBXva1QQKMWoVrPE0=\n"
                                   "-----END PUBLIC KEY-----\n";
/* The RSA key once more, as PKCS #1, and in a certificate. */
static const char NODE_RSA_PKCS1[] =
    "-----BEGIN RSA PUBLIC KEY-----\n"
    "MIIBCgKCAQEAu5FinfbtfA81avlQE28sjY6Zj8ZENmXKK+g4635qnpxufhqKEAQh\n"
    "x7RWS2PnUN1lyyEdThusJC4TttuKMxV0KJ7yh0RpWKSPzisbC8mvb7SEx+gNpkSL\n"
    "oHQXmwj8En+VUAuk4MWcjZZwL9hwQr4L7+Nmg8xnSqFqFpEKWxd2iUS0wd1ic/0Q\n"
    "UJLQFH2lYm67JrcIicrzXw1Y0td9+EkJWnpY2l55Yrf0ee99NZdOeSQo4pevhVHC\n"
    "6PV5Gl8Rekd9+cJEmojjjUTEoysO+g02SB5rsIoVmmPomJUfV9ljnUubb+evBYeI\n"
    "4SROwKgvRJOwu7jWrM/WC/S+VFYg1AycaQIDAQAB\n"
    "-----END RSA PUBLIC KEY-----\n";
static const char NODE_RSA_CERTIFICATE[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIDAzCCAeugAwIBAgIUA/yCrNpj90/vXpAA0+fwgDwQmCMwDQYJKoZIhvcNAQEL\n"
    "BQAwETEPMA0GA1UEAwwGaXNzdWVyMB4XDTI2MTEyMTIwMTQ0OVoXDTM2MTExODIw\n"
    "MTQ0OVowETEPMA0GA1UEAwwGaXNzdWVyMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n"
    "MIIBCgKCAQEAu5FinfbtfA81avlQE28sjY6Zj8ZENmXKK+g4635qnpxufhqKEAQh\n"
    "x7RWS2PnUN1lyyEdThusJC4TttuKMxV0KJ7yh0RpWKSPzisbC8mvb7SEx+gNpkSL\n"
    "oHQXmwj8En+VUAuk4MWcjZZwL9hwQr4L7+Nmg8xnSqFqFpEKWxd2iUS0wd1ic/0Q\n"
    "UJLQFH2lYm67JrcIicrzXw1Y0td9+EkJWnpY2l55Yrf0ee99NZdOeSQo4pevhVHC\n"
    "6PV5Gl8Rekd9+cJEmojjjUTEoysO+g02SB5rsIoVmmPomJUfV9ljnUubb+evBYeI\n"
    "4SROwKgvRJOwu7jWrM/WC/S+VFYg1AycaQIDAQABo1MwUTAdBgNVHQ4EFgQUwbyN\n"
    "q4Xv/R9dZ2uwqs84+NaCwJMwHwYDVR0jBBgwFoAUwbyNq4Xv/R9dZ2uwqs84+NaC\n"
    "wJMwDwYDVR0TAQH/BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOCAQEAF79GKVpezztx\n"
    "ls8aiwJWATJbtvhCPq6u0ZONTkz0QrnhxYP10stX2+lueRk108B8fLLtb9aiOtM0\n"
    "+TakwX5WXqwlhppVBCk/S8rO6b1avN/s1vPJpyj0eVIQ/DDVndw7W2O/ujLdV+Dn\n"
    "+701KtxNy2EfnOoXc5wyLQWgyk+/zwDd4a20bh44qnyq+j3OrdwRfYRc8oX1uDms\n"
    "GFHGrixK2v2B3qjyvtPsW8jyr8JPjaQmYWj2ZBEa3HqvHOdSXeBes0RHqNop3ofN\n"
    "zQi8R3/w0sGoPGrH4IsPuL0j27CfAe4TTJS5qjlRA+0gb3//fMKr8MeOIN6EncSc\n"
    "JFZ7is4cNg==\n"
    "-----END CERTIFICATE-----\n";

static const struct {
    const char *alg;
    const char *token;
} node_tokens[] = {
    {"HS256", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6Im5vZGUtSFMyNTYifQ.eyJzdWIiOiJhZGEiL"
              "CJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.PSjR6q4MovYaNiqDYontOw8hrJI1rWdEj"
              "ViRrA6r0oQ"},
    {"HS384", "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6Im5vZGUtSFMzODQifQ.eyJzdWIiOiJhZGEiL"
              "CJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.DX202WrT366-8G1qRptRE8qZLTpSCF0yc"
              "ssweoizd3z-BIv2qZFqok_WEHsed6fJ"},
    {"HS512", "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCIsImtpZCI6Im5vZGUtSFM1MTIifQ.eyJzdWIiOiJhZGEiL"
              "CJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.bg_Q0KC6ETF2SpUFhPexcNqVTk7uIKPEc"
              "ajEbrAFiatXTvM0I8HaCixpZrVKTs7GXWLLiwzYweYoo_eDYnqTwQ"},
    {"RS256", "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6Im5vZGUtUlMyNTYifQ.eyJzdWIiOiJhZGEiL"
              "CJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.XH6GOsfgnXRYFkN8dhxJSlfayJsiIIcdu"
              "yvOA5X-OwfATKO-oqZDCnsuapm0lNsyqEN5c9bCn2uy12t8W3Ai-AL60JY0HXGa0Y5hgcdKvafl4vZ-1"
              "vQgiB7fGr64f8UDe42wSgQlXnUgxiek7w0MtZUBMvF4GAfOzfJ90z_m7-nJYvIgyyUe66FZd2EW4mHGI"
              "CIsKTyKJXWhyVPOCOw6SBR13lmr29nTbOsr6GFgc-LAQroSEY5QKWeAI41jchPdbQoSVrKoH_1ev7VYP"
              "xiNFzzYIeQA8RHGacktLh4bWWDlDUIltXs4-TxwGH1LKikQqCAbLYLHmGGATh_Ad_x3RQ"},
    {"RS384", "eyJhbGciOiJSUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6Im5vZGUtUlMzODQifQ.eyJzdWIiOiJhZGEiL"
              "CJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.IzeimDOIDKyZBwk79_6fUe4qqyOXVqk4J"
              "kpxMyCqZaAGJgsknOm8NnL2LB_tVJfE-RylwH7xiGFCntgSEd_nxpeC2c7DkSNxMXorhu9YXYCCMDTcZ"
              "GpMdtngUGQsMLclw167rPnEYq_hJksdw1QefeZBoZpPpbOhf9tnMWZffWlt_JJYqUfl3QNgA_YCe6fMa"
              "6fZHAlq3jZPUhb6C-3eUYqVaYquwW7JsnT2n1f8END04Oxb71Kd_Vknp5hdvdL1LeE0pk109PdV0bBMk"
              "CnnzCBqT3ui91qjYDoRb0UtfWRHOiSYdKYBBtKm_yHtLB7ib0wqh5d4bYmjATlhMd66QQ"},
    {"RS512", "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCIsImtpZCI6Im5vZGUtUlM1MTIifQ.eyJzdWIiOiJhZGEiL"
              "CJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.T2Ez6QxFhoZXa0qQI-s2Uj3FOu3nuA_qm"
              "BerNi9nKs3bVq3bSpI4u0uuQ_cEBUxe5pSGbAlQw3rIOKxrt1ZFEoRRxNASAXIE9SRCbu70ObVHet-cs"
              "MqYPpxbbNRGJWJHIWOlAZWo3GPnUmsgIM4G7R3KcaDMBMzlIIqv2qQ4R8EMsDeUlOYCGrGPwOv4O-hgw"
              "LmkANJ1q_M60befQ08uO-4koCeOQTH8d92AdP2zDRiUgfjYuxvMxou5UgKMOXyriYzXNl6WLJ4_MMiOf"
              "iD-pmrXt6srj0BMWRHKz79Lhev42ObcE8SnXdhuCILFy7nMSMrKP_AQLW0dnt_eM7yMJw"},
    {"PS256", "eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6Im5vZGUtUFMyNTYifQ.eyJzdWIiOiJhZGEiL"
              "CJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.lzWtIYM6l_xeEkqKmUDKL9LS9yb2YE23d"
              "Iaeu1ukxWYTnRu8y9c7QbgirxEWN8GZhrZl7dAIgevckfLKs4FNf8Elzirk1690GT-Jh9NJEAp0AtMUx"
              "6inY-tQt6haqDZz_tMQ_HtTYgenP69jL3nZzsKFLrxTXxYUVM1hlHIADfnTU915BrLsjF6fX4KFCKyez"
              "G1ldg7eJuL81sKlGMle9P4HaM0ohC_kvC5QJV5UNM9t20CvkBIdW_85ePPt83_9_iXfb3JhGVrIzxyOU"
              "8BMLqXBDYudRFWtF9XGgswSypvOwjwK1cYd7oD82BbhtGOFK_eVGwHJKQoEIxE9ZE_fRw"},
    {"PS384", "eyJhbGciOiJQUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6Im5vZGUtUFMzODQifQ.eyJzdWIiOiJhZGEiL"
              "CJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.j3ebiCkGI6gFvP9iMhDIjVSur75P-QX1Q"
              "9IlUqdNHDjdcgf1gIRhIM1VwYL95hS3R8Im50CW4G_8DRurnGaEwb07caUX5Rihk9aoLjAbibjOVbN2G"
              "dc3-TwwDJ8T9c7C98Ib9RSnn8aGuEjN6B5xivVoo9GUZf_SCtdYpTSUkrIyNzjhJzuhKhgEBj8BYSSAI"
              "Yb6Ab9hsX_w57sCl8ihAyku1cXD5s8iQeEMSgT5QOOe7TcLdzE9Qs7KLKoQwUI6hS4f43pPkYv3RXORZ"
              "XvyfaW910wOb3Yg5R3ahNY9W_uV_OrgmPOAdZKf8kdowX-BCqVMH5kaBzfWj29a3MbPQQ"},
    {"PS512", "eyJhbGciOiJQUzUxMiIsInR5cCI6IkpXVCIsImtpZCI6Im5vZGUtUFM1MTIifQ.eyJzdWIiOiJhZGEiL"
              "CJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.KLEGSGJ9NKUSRrFwIkAQ-ony4IHJDAdIK"
              "m500vZJ5fbhaKwBuCVe9Th43oWK0BBF81F2C7BPpT8Sn7qAk8S3Xzeup_BvTAoUug83bFTu06a6dnp9R"
              "v1l4qbEzK_4Zl5Hg_85-E1oIxm9CVv3TGrGiobVMXy36Aw_q1C8VD5wlis9KfjzOKGvlp0kYZSZvx54i"
              "L0ScONOOSmtdXaa-lg4yI-AZ7qHfegQmhT_Fj1SzgeLHeSlaX-yt7g_jTYrmopZOM3BhXIGbnv8WlvM_"
              "aFPpXCgvfAG8TnxXXOV_gVwUpz51AmVw3TCnpMwwKzGiDiXdzBFbF8YUPI-Rs2CYjKdTw"},
    {"ES256", "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6Im5vZGUtRVMyNTYifQ.eyJzdWIiOiJhZGEiL"
              "CJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.85un2zB2XmllL_9IrOZHGtDcKg2KODykZ"
              "tUA_oOX0Dd7ag6N3r3wkjFQf1w7h7sx0kXCVqjUrf2ZxuUBtuhnOw"},
    {"ES384", "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6Im5vZGUtRVMzODQifQ.eyJzdWIiOiJhZGEiL"
              "CJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.7N5PbdaZojyCKuUZ2htVUDpW_NrX0IzXy"
              "LdgIbLexj50BJAwje1vmLdDJ7ZMEDH-3eHdD9dkgPefYnl2rbCvriFcKd1lCl7nztd3kbaY3BPO-S2QQ"
              "qoGAZUxI6hQC9uA"},
    {"ES512", "eyJhbGciOiJFUzUxMiIsInR5cCI6IkpXVCIsImtpZCI6Im5vZGUtRVM1MTIifQ.eyJzdWIiOiJhZGEiL"
              "CJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.AFKnyuE1KgE_FGd-SBZxgDW-bn97h7oHF"
              "QPSBIcnDPk1Qt6UQSFmDwGJLxHFUmxVysRRYj7Gs6IM_4vPL8G_Kbl4AVFMnJWw1SirY4VWEGTlAJIR2"
              "l6__w9-c6S7tRXTHWF6TvKgfAjan1JMmPB2f1jLb3L3oIjCFKB_MtX03G1OTAYp"},
    {"EdDSA", "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6Im5vZGUtRWREU0EifQ.eyJzdWIiOiJhZGEiL"
              "CJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0._HD7s1tCWMIR2w4bALv78KS5_lGmr5TRQ"
              "Mv6rYRUlbkp-fe25rLPuRUN4PfYTlz2SKhlLAiGoxpuuct8DbNIAw"},
};
#define NODE_TOKENS (sizeof(node_tokens) / sizeof(node_tokens[0]))

/* The same keys as JWKs; of RSA one that is for PS384. */
static const char NODE_JWK_RSA[] =
    "{\"kid\":\"node-RS256\",\"use\":\"sig\",\"kty\":\"RSA\",\"n\":"
    "\"u5FinfbtfA81avlQE28sjY6Zj8ZENmXKK-g"
    "4635qnpxufhqKEAQhx7RWS2PnUN1lyyEdThusJC4TttuKMxV0KJ7yh0RpWKSPzisbC8mvb7SEx-gNpkSLoHQ"
    "Xmwj8En-VUAuk4MWcjZZwL9hwQr4L7-Nmg8xnSqFqFpEKWxd2iUS0wd1ic_0QUJLQFH2lYm67JrcIicrzXw1"
    "Y0td9-EkJWnpY2l55Yrf0ee99NZdOeSQo4pevhVHC6PV5Gl8Rekd9-cJEmojjjUTEoysO-g02SB5rsIoVmmP"
    "omJUfV9ljnUubb-evBYeI4SROwKgvRJOwu7jWrM_WC_S-VFYg1AycaQ\",\"e\":\"AQAB\"}";
static const char NODE_JWK_PS384[] =
    "{\"kid\":\"node-PS384\",\"alg\":\"PS384\",\"kty\":\"RSA\",\"n\":"
    "\"u5FinfbtfA81avlQE28sjY6Zj8ZENmXKK"
    "-g4635qnpxufhqKEAQhx7RWS2PnUN1lyyEdThusJC4TttuKMxV0KJ7yh0RpWKSPzisbC8mvb7SEx-gNpkSLo"
    "HQXmwj8En-VUAuk4MWcjZZwL9hwQr4L7-Nmg8xnSqFqFpEKWxd2iUS0wd1ic_0QUJLQFH2lYm67JrcIicrzX"
    "w1Y0td9-EkJWnpY2l55Yrf0ee99NZdOeSQo4pevhVHC6PV5Gl8Rekd9-cJEmojjjUTEoysO-g02SB5rsIoVm"
    "mPomJUfV9ljnUubb-evBYeI4SROwKgvRJOwu7jWrM_WC_S-VFYg1AycaQ\",\"e\":\"AQAB\"}";
static const char NODE_JWK_P256[] =
    "{\"kid\":\"node-ES256\",\"alg\":\"ES256\",\"kty\":\"EC\",\"x\":\"OqOfpZ-DpzOxG_xtOvq5XuCW_"
    "KCRfs-Xun"
    "kOlxv5zL0\",\"y\":\"enmBnh7Z9ONfUC8bPoxnVNn-xKFqPS0OzsojFiJpjPs\",\"crv\":\"P-256\"}";
static const char NODE_JWK_P384[] =
    "{\"kty\":\"EC\",\"x\":\"NzPbegDbOnKJs1XudsEZGhWMkEhtQ6HkdRlxQCiJmAn5hWgQC5deCcOfmyzajb1v\",\""
    "y\":\"RkPFMZFF_VvCkRhG-QvVAPbArChf6vzsWz6e2BImTiMb6SVMLRI-IJ4Q6_gmOQen\",\"crv\":\"P-384\"}";
static const char NODE_JWK_P521[] =
    "{\"kid\":\"node-ES512\",\"kty\":\"EC\",\"x\":"
    "\"AVHZUB9tDnwgttlIZLEsfr60z5NieusDmd3rb4QCGpwxeqT3"
    "kOF1pse7wJ6jBzrFGSkvnIyGa7NPVUgv3wJ2a1Vr\",\"y\":\"AVqHrj2X68zkCk00pdkWJ8KYqSYfEUFru1O0W"
    "aOOR5xODwfYxOXu1ph_47efwAtqTRV5aF2kRjI39fZJqR6voQC0\",\"crv\":\"P-521\"}";
static const char NODE_JWK_ED25519[] = "{\"kid\":\"node-EdDSA\",\"key_ops\":[\"verify\"],\"crv\":"
                                       "\"Ed25519\",\"x\":\"YHnFLNGWzNflAjrgOctq3L"
                                       "PgvEFBXva1QQKMWoVrPE0\",\"kty\":\"OKP\"}";

#endif
