#include "CWMProxyOpenSSL.h"

#include <string.h>

const int wmpo_tls12 = TLS1_2_VERSION, wmpo_tls13 = TLS1_3_VERSION;
const uint64_t wmpo_edge_options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_PRIORITIZE_CHACHA |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE;

int wmpo_ctx_set_min_version(SSL_CTX *ctx, int version) { return SSL_CTX_set_min_proto_version(ctx, version); }

void wmpo_ctx_set_modes(SSL_CTX *ctx) {
    SSL_CTX_set_mode(
        ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

void wmpo_set_keeps_buffers(SSL *ssl, int keeps) {
    if (keeps)
        SSL_clear_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    else
        SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
}

int wmpo_ctx_add_chain_certificate(SSL_CTX *ctx, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(ctx, certificate);
}
int wmpo_ctx_set_groups(SSL_CTX *ctx, const char *groups) { return (int)SSL_CTX_set1_groups_list(ctx, groups); }
void wmpo_ctx_disable_session_cache(SSL_CTX *ctx) { SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); }
int wmpo_set_server_name(SSL *ssl, const char *name) { return (int)SSL_set_tlsext_host_name(ssl, name); }

static int add_extension(X509 *certificate, int kind, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    int done = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return done;
}

int wmpo_self_signed(const char *name, int days, EVP_PKEY **key, X509 **certificate) {
    EVP_PKEY *made_key = EVP_EC_gen("P-256");
    X509 *made = X509_new();
    unsigned char serial[16];
    char names[300];
    BIGNUM *number = NULL;
    int done = 0;

    if (!made_key || !made || RAND_bytes(serial, sizeof serial) != 1) goto out;
    serial[0] &= 0x7F; /* RFC 5280 §4.1.2.2: positive */
    number = BN_bin2bn(serial, sizeof serial, NULL);
    if (!number || !BN_to_ASN1_INTEGER(number, X509_get_serialNumber(made))) goto out;
    if (!X509_set_version(made, 2) || !X509_gmtime_adj(X509_getm_notBefore(made), -86400L) ||
        !X509_gmtime_adj(X509_getm_notAfter(made), 86400L * days) || !X509_set_pubkey(made, made_key))
        goto out;
    X509_NAME *subject = X509_get_subject_name(made);
    if (!X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0)) goto out;
    if (!X509_set_issuer_name(made, subject)) goto out;
    BIO_snprintf(names, sizeof names, "DNS:%s", name);
    if (!add_extension(made, NID_subject_alt_name, names) ||
        !add_extension(made, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(made, NID_ext_key_usage, "serverAuth"))
        goto out;
    if (!X509_sign(made, made_key, EVP_sha256())) goto out;
    *key = made_key;
    *certificate = made;
    done = 1;
out:
    BN_free(number);
    if (!done) {
        EVP_PKEY_free(made_key);
        X509_free(made);
    }
    return done;
}

/* The `index`th alternative name of a kind, as `wmpo_dns_name` has it. */
static int alternative_name(const X509 *certificate, int kind, int index, char *name, size_t size) {
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int found = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);
        if (one->type != kind || index-- > 0) continue;
        size_t length = (size_t)ASN1_STRING_length(one->d.ia5);
        const unsigned char *text = ASN1_STRING_get0_data(one->d.ia5);
        found = -1;
        if (length > 0 && length < size && !memchr(text, 0, length)) {
            memcpy(name, text, length);
            name[length] = 0;
            found = 1;
        }
        break;
    }
    GENERAL_NAMES_free(all);
    return found;
}

int wmpo_dns_name(const X509 *certificate, int index, char *name, size_t size) {
    return alternative_name(certificate, GEN_DNS, index, name, size);
}

static int common_name(const X509 *certificate, char *name, size_t size) {
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (index < 0) return 0;
    unsigned char *text = NULL;
    int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
    int found = length > 0 && (size_t)length < size && !memchr(text, 0, (size_t)length);
    if (found) {
        memcpy(name, text, (size_t)length);
        name[length] = 0;
    }
    OPENSSL_free(text);
    return found;
}

int wmpo_subject(const X509 *certificate, char *name, size_t size) {
    int found = alternative_name(certificate, GEN_DNS, 0, name, size);
    if (found == 0) found = alternative_name(certificate, GEN_EMAIL, 0, name, size);
    return found == 0 ? common_name(certificate, name, size) : found == 1;
}

int wmpo_ctx_require_client(SSL_CTX *ctx, const char *authorities) {
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(authorities);
    if (!names || SSL_CTX_load_verify_file(ctx, authorities) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return 0;
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 1;
}

void wmpo_ctx_set_server_name_callback(SSL_CTX *ctx, wmpo_choose choose, void *argument) {
    SSL_CTX_set_tlsext_servername_callback(ctx, choose);
    SSL_CTX_set_tlsext_servername_arg(ctx, argument);
}
