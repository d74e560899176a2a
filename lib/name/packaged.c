/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names that packages of Debian and its relatives give to users and groups of their daemons. Who
 * has one of them today was named before the package came; the list grows with every release, so
 * readers do not know it: an account must not vanish because of a newer library. Pure.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/name/account.h"

#define OURS "mtls-" /* our own packages may grow users */

/* Sorted by bytes, none of them in the list of account.c; tests check both. */
/* clang-format off */
static const char *const packaged[] = {
	"abrt", "aiccu", "alertmanager", "alias", "amanda", "amandabackup", "amavis", "aodh",
	"apache", "approx", "apt-cacher", "apt-cacher-ng", "arangodb", "arpwatch", "artifactory",
	"asterisk", "avahi-autoipd", "backuppc", "bacula", "barbican", "bareos", "biboumi",
	"bind9", "bird", "bitcoin", "bitlbee", "boinc", "brltty", "buildbot", "buildd",
	"buildkite-agent", "bumblebee", "burp", "caddy", "caldavd", "carbon", "cassandra",
	"ceilometer", "ceph", "certbot", "cinder", "clamav", "clamilt", "clickhouse", "cobbler",
	"cockpit-ws", "cockpit-wsinstance", "collectd", "condor", "consul", "containerd",
	"corosync", "couchdb", "courier", "crowdsec", "cups", "cups-browsed", "cups-pk-helper",
	"cvsd", "cyrus", "dansguardian", "davfs2", "debci", "debian-deluged", "debian-spamd",
	"debian-tor", "debian-transmission", "designate", "dhcpd", "dictd", "dirsrv", "distccd",
	"dma", "dnscrypt", "domoticz", "dropbear", "dspam", "e2guardian", "ejabberd",
	"elasticsearch", "elog", "epoptes", "etcd", "etherpad", "exim", "exim4", "fahclient",
	"fail2ban", "fetchmail", "fhem", "firebird", "flatpak", "fluent-bit", "fluentd",
	"foreman", "foreman-proxy", "freerad", "freeradius", "freeswitch", "frr", "frrvty", "ftp",
	"fuse", "gamemode", "ganglia", "git", "gitdaemon", "gitea", "gitlab", "gitlab-prometheus",
	"gitlab-psql", "gitlab-redis", "gitlab-runner", "gitlab-www", "gitlog", "gitolite",
	"gitolite3", "glance", "gluster", "gnocchi", "gnome-initial-setup",
	"gnome-remote-desktop", "gnuhealth", "gogs", "gopher", "gpio", "gpsd", "grafana",
	"graphite", "graylog", "greetd", "greylist", "guacd", "haclient", "hacluster", "hadoop",
	"haldaemon", "hbase", "hdfs", "heat", "hitch", "honeyd", "hplip", "hts", "http", "httpd",
	"i2c", "i2pd", "i2psvc", "icecast", "icecast2", "icecc", "icinga", "icingaweb2", "identd",
	"influxdb", "inspircd", "iodine", "ipaapi", "ipsec", "ircd", "ironic", "jabber",
	"jellyfin", "jenkins", "jetty", "jetty9", "kafka", "kamailio", "kea", "keepalived_script",
	"kernoops", "keystone", "kibana", "kismet", "knot", "knot-resolver", "knxd", "kolab",
	"kubelet", "landscape", "lava", "lavaserver", "ldap", "libvirt-dnsmasq", "libvirtdbus",
	"lirc", "locate", "logcheck", "logstash", "lxc", "lxc-dnsmasq", "lxdm", "magnum",
	"mailman", "mailman3", "majordom", "manila", "mapred", "mariadb", "matrix-synapse",
	"maxscale", "minidlna", "miredo", "mistral", "mldonkey", "mlocate", "monetdb", "mongodb",
	"mopidy", "mosquitto", "motion", "mpd", "msmtp", "mumble-server", "munin", "murano",
	"mythtv", "nagcmd", "nagios", "named", "neo4j", "netdata", "neutron", "nghttpx", "nginx",
	"ngircd", "nm-fortisslvpn", "nm-iodine", "nm-l2tp", "nm-openconnect", "nm-openvpn",
	"nm-strongswan", "nomad", "nova", "nrpe", "nsd", "ntopng", "ntpd", "nullmail", "nut",
	"nvidia-persistenced", "nx", "octavia", "oddjob", "odoo", "ods", "oinkd", "opendkim",
	"opendmarc", "opendnssec", "openerp", "openhab", "openntpd", "opensearch", "opensips",
	"opensmtpd", "opensmtpq", "openvpn", "oprofile", "orthanc", "ossec", "ossece", "ossecm",
	"ossecr", "p0f", "pacemaker", "panko", "partimag", "pcap", "pdns", "pgbouncer", "pgpool",
	"pipewire", "pkiuser", "placement", "plex", "plocate", "podman", "policyd-spf",
	"polkituser", "popa3d", "postgrey", "powerdns", "privoxy", "proftpd", "prometheus",
	"prosody", "proxysql", "pulse-access", "puppet", "puppetdb", "pureftpd", "qemu", "qmaild",
	"qmaill", "qmailp", "qmailq", "qmailr", "qmails", "quagga", "quaggavty", "quassel",
	"quasselcore", "radicale", "rdma", "realtime", "redsocks", "rpcuser", "rslsync", "rspamd",
	"rsyslog", "rundeck", "sabnzbd", "sahara", "salt", "sbuild", "senlin", "shellinabox",
	"shinken", "slocate", "slurm", "smmsp", "smmta", "smokeping", "snap_daemon", "snmp",
	"snort", "softhsm", "solr", "sonarr", "spamass-milter", "spamd", "spark", "spi",
	"squeezeboxserver", "squid", "strongswan", "suricata", "swift", "swtpm", "sympa",
	"syncthing", "syslog-ng", "tac_plus", "td-agent", "telegraf", "telnetd", "tftp",
	"thermald", "tinyproxy", "tor", "transmission", "trove", "tryton", "turnserver",
	"tvheadend", "uml-net", "upsd", "utempter", "varnish", "varnishlog", "vault", "vboxadd",
	"vboxsf", "vboxusers", "vcache", "vde2-net", "vdr", "virtuoso", "vitrage", "vmail",
	"vnstat", "vpopmail", "vsftpd", "watcher", "wwwrun", "x2goprint", "x2gouser", "xen",
	"xpra", "xymon", "yadifad", "yarn", "zaqar", "znc", "zookeeper",
};
/* clang-format on */

struct span {
	const char *text;
	size_t len;
};

static int compare_name(const void *key, const void *element)
{
	const struct span *span = key;
	const char *name = *(const char *const *)element;
	size_t len = strlen(name);

	int r = memcmp(span->text, name, span->len < len ? span->len : len);
	return r ? r : (span->len > len) - (span->len < len);
}

bool mtls_account_name_packaged(const char *name, size_t len)
{
	const struct span span = { name, len };

	if (!name || len == 0)
		return false;
	if (len >= strlen(OURS) && memcmp(name, OURS, strlen(OURS)) == 0)
		return true;
	return bsearch(&span, packaged, MTLS_COUNT(packaged), sizeof(packaged[0]), compare_name);
}

const char *mtls_account_name_packaged_at(size_t i)
{
	return i < MTLS_COUNT(packaged) ? packaged[i] : NULL;
}
