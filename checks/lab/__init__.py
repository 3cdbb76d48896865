"""The lab: name servers and mail hosts on loopback, to try Gangway with `.test` domains."""
