from structsvm.problems._graph import GraphData, GraphStructure

class RoofGraphStructure(GraphStructure):
    def __init__(self, data: GraphData) -> None: ...
