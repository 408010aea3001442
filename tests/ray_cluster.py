"""A program: a Ray cluster of two nodes on this machine, until its standard input ends."""

import sys

from ray.cluster_utils import Cluster

ADDRESSES = ("127.0.0.2", "127.0.0.3")  # Ray would turn 127.0.0.1 into the machine's own


def main() -> None:
    """Start both, write the cluster's address, wait."""
    node = {"num_cpus": 1, "object_store_memory": 80 << 20}
    head = {**node, "include_dashboard": False, "node_ip_address": ADDRESSES[0]}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(**node, node_ip_address=ADDRESSES[1])
    sys.stdout.write(f"{cluster.address}\n")
    sys.stdout.flush()
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()
