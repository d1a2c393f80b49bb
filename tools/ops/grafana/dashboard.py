#!/usr/bin/env python3
"""Writes gateway.json, the Grafana dashboard of gateways, beside itself; with --check only says whether it is what it would write.

The dashboard is edited here and not in Grafana: a panel is a line, and its expressions stand where rules and METRICS.md can be compared with them.
tools/ops/check-expressions.py asks a Prometheus for each of them.
"""
import json
import pathlib
import sys

FILE = pathlib.Path(__file__).with_name("gateway.json")
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
NODE = 'job="gateway", instance=~"$instance"'
QUEUE = NODE + ', queue=~"$queue"'
WIDTH, HEIGHT = 24, 8


def stat(title, expr, unit="short", steps=None, width=4, about="", zero_is=None):
    mappings = [] if zero_is is None else [
        {"type": "value", "options": {"0": {"text": zero_is[0], "color": "red"}, "1": {"text": zero_is[1], "color": "green"}}}]
    return {
        "type": "stat", "title": title, "description": about, "width": width, "height": 4, "series": [(expr, "{{instance}}")],
        "fieldConfig": {"defaults": {"unit": unit, "mappings": mappings, "thresholds": thresholds(steps)}, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "background", "graphMode": "area", "textMode": "auto"},
    }


def graph(title, *series, unit="short", steps=None, width=8, about="", stacked=False):
    return {
        "type": "timeseries", "title": title, "description": about, "width": width, "height": HEIGHT, "series": series,
        "fieldConfig": {
            "defaults": {
                "unit": unit, **({"min": 0} if stacked else {}), "thresholds": thresholds(steps),
                "custom": {
                    "lineWidth": 1, "fillOpacity": 20 if stacked else 5, "showPoints": "never", "spanNulls": False,
                    "stacking": {"mode": "normal" if stacked else "none", "group": "A"}, "thresholdsStyle": {"mode": "line" if steps else "off"},
                },
            },
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}, "tooltip": {"mode": "multi", "sort": "desc"}},
    }


def table(title, expr, about="", width=24):
    return {
        "type": "table", "title": title, "description": about, "width": width, "height": 6, "series": [(expr, "")], "instant": True,
        "fieldConfig": {"defaults": {"custom": {"align": "auto"}}, "overrides": []},
        "options": {"showHeader": True},
        "transformations": [{"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True, "__name__": True, "job": True, "alertstate": True}}}],
    }


def thresholds(steps):
    colours = ["green", "yellow", "red"]
    return {"mode": "absolute", "steps": [{"color": colours[i], "value": v} for i, v in enumerate([None, *(steps or [])])]}


def quantile(q, metric, by, selector=NODE):
    return f"histogram_quantile({q}, sum by ({by}, le) (rate({metric}_bucket{{{selector}}}[$__rate_interval])))"


def rate(metric, by="instance", selector=NODE):
    return f"sum by ({by}) (rate({metric}{{{selector}}}[$__rate_interval]))"


ROWS = [
    ("Health", [
        stat("Ready", f"min by (instance) (gateway_ready{{{NODE}}})", zero_is=("no", "ready"), about="0: it recovers, drains, or has failed; /status says which."),
        stat("Sessions", f"sum by (instance) (gateway_sessions{{{NODE}}})", about="Authenticated devices connected."),
        stat("Pending", f"sum by (instance) (gateway_mailbox_pending_messages{{{NODE}}})", about="Messages accepted and not yet gone."),
        stat("Time to drain", f'max by (instance) (instance_queue:gateway_queue_drain_seconds:rate5m{{{NODE}, queue="mailbox_backlog"}})', unit="s",
             about="Until the mailboxes' backlog is empty if all goes on like this; -1 while it grows or rests."),
        stat("Commit p99", f"max by (instance) (instance:gateway_commit_seconds:p99_5m{{{NODE}}})", unit="s", steps=[0.05, 0.1], about="Every single check waits for its commit."),
        stat("Fullest queue", f"max by (instance) (instance_queue:gateway_queue_fill:max{{{NODE}}})", unit="percentunit", steps=[0.5, 0.8], about="Of the bounded queues."),
        table("Firing", 'ALERTS{alertstate="firing", instance=~"$instance"}', about="Each has a section in RUNBOOK.md."),
        graph("The node's own alerts", (f"max by (instance, alert, queue) (gateway_alert_active{{{NODE}}}) > 0", "{{instance}} {{alert}} {{queue}}"), width=24,
              about="Raised by the node itself; /status names the culprit."),
    ]),
    ("Queues", [
        graph("Depth", (f"sum by (instance, queue) (instance_queue:gateway_queue_depth:sum{{{QUEUE}}})", "{{instance}} {{queue}}"), about="Entries, of all reactors."),
        graph("Oldest entry", (f"max by (instance, queue) (instance_queue:gateway_queue_oldest_age_seconds:max{{{QUEUE}}})", "{{instance}} {{queue}}"), unit="s",
              about="It goes on rising while a reactor hangs. mailbox_backlog: the longest absent device."),
        graph("Fill", (f"max by (instance, queue) (instance_queue:gateway_queue_fill:max{{{QUEUE}}})", "{{instance}} {{queue}}"), unit="percentunit", steps=[0.5, 0.8]),
        graph("In", (rate("gateway_queue_in_total", "instance, queue", QUEUE), "{{instance}} {{queue}}"), unit="cps"),
        graph("Out", (rate("gateway_queue_out_total", "instance, queue", QUEUE), "{{instance}} {{queue}}"), unit="cps"),
        graph("Time to drain", (f"max by (instance, queue) (instance_queue:gateway_queue_drain_seconds:rate5m{{{QUEUE}}})", "{{instance}} {{queue}}"), unit="s",
              about="-1: it grows, or rests with something in it."),
        graph("High mark", (f"max by (instance, queue) (gateway_queue_high_mark{{{QUEUE}}})", "{{instance}} {{queue}}"), about="The most that a reactor's queue ever held.", width=12),
        graph("Depth by reactor", (f"sum by (instance, queue, reactor) (gateway_queue_depth{{{QUEUE}}})", "{{instance}} {{queue}} {{reactor}}"), width=12,
              about="One reactor far above the others: a hot mailbox, or a reactor that does not keep up."),
    ]),
    ("Mailbox backlog", [
        graph("Pending", (f"sum by (instance) (gateway_mailbox_pending_messages{{{NODE}}})", "{{instance}} messages"),
              (f"sum by (instance) (gateway_mailbox_pending_receipts{{{NODE}}})", "{{instance}} receipts")),
        graph("Mailboxes by entries pending", (f"sum by (instance, pending_at_least) (gateway_mailboxes{{{NODE}}})", "{{instance}} at least {{pending_at_least}}"),
              about="The high thresholds: someone sends to who never reads."),
        graph("Bytes pending", (f"sum by (instance) (gateway_mailbox_pending_bytes{{{NODE}}})", "{{instance}}"), unit="bytes"),
        graph("Deliveries by source", (rate("gateway_deliveries_total", "instance, source"), "{{instance}} from {{source}}"), (rate("gateway_redeliveries_total"), "{{instance}} repeats"), unit="cps",
              about="From the log: readers are behind. Repeats: devices do not acknowledge.", width=12),
        graph("Pages read back", (rate("gateway_log_pages_read_total"), "{{instance}}"), unit="cps", width=12),
    ]),
    ("Latency", [
        graph("Commit", (quantile(0.5, "gateway_commit_seconds", "instance"), "{{instance}} p50"), (quantile(0.99, "gateway_commit_seconds", "instance"), "{{instance}} p99"),
              (quantile(0.999, "gateway_commit_seconds", "instance"), "{{instance}} p99.9"), unit="s", about="From taking up a batch until it is durable."),
        graph("Loop lag", (quantile(0.99, "gateway_loop_lag_seconds", "instance, reactor"), "{{instance}} reactor {{reactor}} p99"), unit="s",
              about="How long a turn kept everything else on its reactor waiting; the longest of each 50 ms."),
        graph("Reactors busy", (rate("gateway_reactor_busy_seconds_total", "instance, reactor"), "{{instance}} reactor {{reactor}}"), unit="percentunit", steps=[0.8]),
        graph("fdatasync", (rate("gateway_log_sync_seconds_total"), "{{instance}} share of time"), unit="percentunit", steps=[0.8], about="Near 1: the disk is the limit."),
        graph("Commits", (rate("gateway_log_commits_total"), "{{instance}} commits"), (rate("gateway_log_syncs_total"), "{{instance}} syncs"), unit="cps"),
        graph("Longest stall", (f"max by (instance) (gateway_reactor_stall_seconds{{{NODE}}})", "{{instance}}"), unit="s", steps=[1]),
    ]),
    ("Memory", [
        graph("Budgets", (f"sum by (instance, budget) (gateway_memory_bytes{{{NODE}}})", "{{instance}} {{budget}}"),
              (f"sum by (instance, budget) (gateway_memory_limit_bytes{{{NODE}}})", "{{instance}} {{budget}} limit"), unit="bytes"),
        graph("Process", (f"sum by (instance) (process_resident_memory_bytes{{{NODE}}})", "{{instance}} resident"),
              (f"sum by (instance) (dotnet_total_memory_bytes{{{NODE}}})", "{{instance}} managed, in use"),
              (f"sum by (instance) (dotnet_committed_memory_bytes{{{NODE}}})", "{{instance}} managed, held"), unit="bytes"),
        graph("Connections not read", (f"sum by (instance) (gateway_connections_unread{{{NODE}}})", "{{instance}}"), steps=[1], about="Buffers are over their budget."),
        graph("Collections", (rate("dotnet_collection_count_total", "instance, generation"), "{{instance}} generation {{generation}}"), unit="cps"),
        graph("Pauses", (rate("dotnet_gc_pause_seconds_total"), "{{instance}}"), unit="percentunit", about="Share of time that collections stopped all managed threads."),
        graph("Allocated on reactors", (rate("gateway_reactor_allocated_bytes_total"), "{{instance}}"), unit="Bps", about="It does not rise with messages."),
    ]),
    ("Ledger", [
        graph("Accepted and delivered", (f"sum by (instance) (instance:gateway_messages_accepted:rate5m{{{NODE}}})", "{{instance}} accepted"),
              (f"sum by (instance) (instance:gateway_messages_delivered:rate5m{{{NODE}}})", "{{instance}} delivered"), unit="cps"),
        graph("Gone otherwise", (rate("gateway_messages_rejected_total"), "{{instance}} rejected"), (rate("gateway_messages_expired_total"), "{{instance}} expired"),
              (rate("gateway_messages_discarded_total"), "{{instance}} discarded"), (rate("gateway_messages_lost_total"), "{{instance}} lost"), unit="cps"),
        graph("Refused", (rate("gateway_messages_refused_total", "instance, reason"), "{{instance}} {{reason}}"), unit="cps"),
        graph("Unaccounted", (f"sum by (instance) (instance:gateway_messages_unaccounted:sum{{{NODE}}})", "{{instance}}"), width=12,
              about="Accepted - delivered - pending - rejected - expired - discarded - lost: 0, to within what is in flight during a scrape."),
        graph("Shed and parked", (rate("gateway_ephemeral_shed_total"), "{{instance}} typing notices and the like dropped"),
              (rate("gateway_frames_parked_total"), "{{instance}} frames that waited for another reactor"), unit="cps", width=12),
    ]),
    ("Connections", [
        graph("Open", (f"sum by (instance) (gateway_connections{{{NODE}}})", "{{instance}} connections"), (f"sum by (instance) (gateway_sessions{{{NODE}}})", "{{instance}} sessions")),
        graph("Come and go", (rate("gateway_connections_accepted_total"), "{{instance}} accepted"), (rate("gateway_connections_closed_total"), "{{instance}} closed"),
              (rate("gateway_logins_total"), "{{instance}} logged in"), unit="cps"),
        graph("Trouble", (rate("gateway_authentications_failed_total"), "{{instance}} not authenticated"), (rate("gateway_protocol_errors_total"), "{{instance}} protocol errors"),
              (rate("gateway_takeovers_total"), "{{instance}} taken over"), unit="cps"),
        graph("Bytes", (rate("gateway_received_bytes_total"), "{{instance}} received"), (rate("gateway_sent_bytes_total"), "{{instance}} sent"), unit="Bps"),
        graph("Send windows", (f"sum by (instance) (gateway_send_windows{{{NODE}}})", "{{instance}}"), about="One for each device that was here in the last 60 days."),
        graph("Files open", (f"sum by (instance) (process_open_fds{{{NODE}}})", "{{instance}} open"), (f"sum by (instance) (process_max_fds{{{NODE}}})", "{{instance}} limit")),
        graph("Sent away, and silent", (rate("gateway_logins_deferred_total"), "{{instance}} too many logins"), (rate("gateway_connections_shed_total"), "{{instance}} buffers full"),
              (rate("gateway_probes_total"), "{{instance}} pinged"), (rate("gateway_dead_peers_total"), "{{instance}} did not answer"), unit="cps", width=24),
    ]),
    ("Log and machine", [
        graph("Log", (f"sum by (instance) (gateway_log_bytes{{{NODE}}})", "{{instance}} log"), (f"sum by (instance) (gateway_log_live_bytes{{{NODE}}})", "{{instance}} live"),
              (f"sum by (instance) (gateway_log_allocated_ahead_bytes{{{NODE}}})", "{{instance}} allocated ahead"), unit="bytes"),
        graph("Written", (rate("gateway_log_appended_bytes_total"), "{{instance}} appended"), (rate("gateway_log_written_bytes_total"), "{{instance}} written"), unit="Bps"),
        graph("Segments", (f"sum by (instance) (gateway_log_segments{{{NODE}}})", "{{instance}} kept"), (rate("gateway_log_truncated_segments_total"), "{{instance}} taken away a second"),
              (f"sum by (instance) (gateway_log_spare_segments{{{NODE}}})", "{{instance}} spare")),
        graph("Not yet durable", (f"sum by (instance) (gateway_log_uncommitted_bytes{{{NODE}}})", "{{instance}}"), unit="bytes"),
        graph("Processor", (rate("process_cpu_seconds_total"), "{{instance}} cores")),
        graph("Up since", (f"time() - max by (instance) (process_start_time_seconds{{{NODE}}})", "{{instance}}"), unit="s"),
    ]),
]


def variable(name, label, query):
    return {
        "name": name, "label": label, "type": "query", "datasource": SOURCE, "query": {"query": query, "refId": name}, "definition": query, "refresh": 2, "sort": 1,
        "multi": True, "includeAll": True, "allValue": ".+", "current": {"text": ["All"], "value": ["$__all"]}, "options": [], "hide": 0,
    }


def dashboard():
    panels, y = [], 0
    for title, row in ROWS:
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}, "panels": []})
        x, y, tallest = 0, y + 1, 0
        for panel in row:
            panel = dict(panel)
            width, height, series = panel.pop("width"), panel.pop("height"), panel.pop("series")
            instant = panel.pop("instant", False)
            if x + width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            panel |= {
                "id": len(panels) + 1, "datasource": SOURCE, "gridPos": {"x": x, "y": y, "w": width, "h": height},
                "targets": [
                    {"refId": chr(ord("A") + i), "datasource": SOURCE, "editorMode": "code", "expr": expr, "legendFormat": legend, "range": not instant, "instant": instant,
                     **({"format": "table"} if instant else {})}
                    for i, (expr, legend) in enumerate(series)],
            }
            panels.append(panel)
            x, tallest = x + width, max(tallest, height)
        y += tallest
    return {
        "uid": "gateway", "title": "Gateway", "description": "Nodes judged by their queues. Made by tools/ops/grafana/dashboard.py.", "tags": ["gateway"],
        "schemaVersion": 39, "version": 1, "editable": True, "graphTooltip": 1, "timezone": "browser", "refresh": "30s", "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [
            {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "options": [], "hide": 0},
            variable("instance", "Node", 'label_values(gateway_ready{job="gateway"}, instance)'),
            variable("queue", "Queue", 'label_values(gateway_queue_depth{job="gateway"}, queue)'),
        ]},
        "annotations": {"list": [{
            "name": "Restarts", "datasource": SOURCE, "enable": True, "iconColor": "red", "titleFormat": "{{instance}} was started",
            "expr": f"changes(process_start_time_seconds{{{NODE}}}[$__rate_interval]) > 0", "step": "30s"}]},
        "panels": panels,
    }


def main():
    text = json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"
    if sys.argv[1:] == ["--check"]:
        return 0 if FILE.exists() and FILE.read_text() == text else f"{FILE} is not what this script writes: run it"
    FILE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
