"""Telemetry in Elasticsearch: OTel-native documents in data streams, written by bulk requests and read by core
queries that any licence has.
"""
