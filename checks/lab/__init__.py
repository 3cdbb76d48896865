"""The lab: name servers and mail hosts on loopback, for trying Gangway on `.test` domains."""
