"""Loads graphs in circuit-tracer's own class: python check.py graph.json …  (circuit-tracer 0.5.0)"""

import sys
from pathlib import Path

from circuit_tracer.frontend.graph_models import Model, Node, _cantor_pairing

for path in sys.argv[1:]:
    model = Model.model_validate_json(Path(path).read_text())
    ids = [node.node_id for node in model.nodes]
    assert len(set(ids)) == len(ids), "two nodes have one id"
    for link in model.links:
        assert set(link) == {"source", "target", "weight"} and link["source"] in ids and link["target"] in ids, link
    for node in model.nodes:
        index = int(node.node_id.split("_")[1]) if node.feature_type != "mlp reconstruction error" else None
        match node.feature_type:
            case "cross layer transcoder":
                assert node.feature == _cantor_pairing(int(node.layer), index)
                again = Node.feature_node(int(node.layer), node.ctx_idx, index, node.influence, node.activation)
            case "embedding":
                again = Node.token_node(node.ctx_idx, index, node.influence)
            case "mlp reconstruction error":
                again = Node.error_node(int(node.layer), node.ctx_idx, node.influence)
                again.node_id = node.node_id  # circuit-tracer's own may be another node's
            case "logit":
                token = node.clerp[len('Output "') : node.clerp.rindex('" (p=')]
                layers = int(node.layer) - 1
                again = Node.logit_node(node.ctx_idx, index, token, layers, node.is_target_logit, node.token_prob)
        assert again.model_dump(exclude={"clerp"}) == node.model_dump(exclude={"clerp"}), node
    print(path, len(model.nodes), "nodes", len(model.links), "links", model.metadata.slug)
