import { deleteTopic } from "../../api/broker";
import { link } from "../../router";
import { DeleteDialog } from "../../ui/delete-dialog";

export function DeleteTopic({ name, onClose }: { name: string; onClose: () => void }) {
  return (
    <DeleteDialog what="topic" name={name} remove={deleteTopic} then={link("topics")} onClose={onClose}>
      <p>All its messages go from the disk at once. Nobody can bring them back.</p>
    </DeleteDialog>
  );
}
